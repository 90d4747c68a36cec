// The data of the Long Range Arena as labelled sets, from the released files or generated.
#pragma once
#include "data/lra/options.h"
#include "data/lra/result.h"

namespace krait {

/// Makes OUTPUT/train.h5, valid.h5 and test.h5 of a task; they appear, all three, when everything
/// has succeeded. Equal options make equal files with any number of threads. What is read:
///
///   ListOps     basic_train.tsv, basic_val.tsv and basic_test.tsv, or listops-1000/ with them
///   Text        aclImdb/, or its train/ and test/: (pos|neg)/<id>_<rating>.txt
///   Retrieval   new_aan_pairs.train.tsv, .eval.tsv and .test.tsv, or tsv_data/ with them
///   Image       data_batch_1.bin to _5.bin and test_batch.bin, or cifar-10-batches-bin/ with them
///   Pathfinder  curv_baseline, curv_contour_length_9 or _14, or pathfinder32/ (64, 128) with them:
///   and PathX   imgs/<batch>/sample_<n>.png and metadata/<batch>.npy
///
/// ListOps and Pathfinder are generated where no raw data is given. Path-X is read here only: when
/// it is generated, a training run draws its images as it needs them (see
/// data/lra/pathfinder/samples.h).
///
/// Throws Usage for options that do not fit the task; MissingInput, Io; BadData for malformed
/// files, naming file and line.
LraResult make_lra_sets(const LraOptions& options);

}  // namespace krait
