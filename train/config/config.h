// The configuration of a run: plain structs, read from YAML through one schema table.
//
// The members and their defaults are here; names, ranges, units and help stand in
// train/config/schema.cpp, which binds each field to its member.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "layers/mixers/config.h"
#include "train/config/precision.h"
#include "train/step/optimizer.h"
#include "train/step/schedule.h"

namespace krait {

/// What `krait train` needs to know. `krait config docs` prints what each field means; the members
/// carry the same names. A count of 0 that the schema calls "derived" is resolved by the reader of
/// the field (vocab_size from the data set, dt_rank from d_model).
struct Config {
  struct Run {
    std::string directory;
    std::int64_t seed = 0;
    std::int64_t threads = 0;
    DeviceChoice device = DeviceChoice::Auto;
    bool profile_ranges = false;
  };
  struct Data {
    std::string train;
    std::string valid;
    std::int64_t sequence_length = 0;
    bool reset_at_documents = true;
    bool verify = true;
    std::int64_t prefetch = 2;
  };
  struct Train {
    enum class Recompute { None, Blocks };
    std::int64_t steps = 0;
    std::int64_t batch_size = 0;
    std::int64_t accumulation = 1;
    std::string initial_weights;
    Precision precision = Precision::F32;
    Recompute recompute = Recompute::None;
    double ema_decay = 0.0;
    double label_smoothing = 0.0;
    double z_loss = 0.0;
    std::int64_t log_every = 1;
  };
  struct Checkpoint {
    std::int64_t every = 1000;
    std::int64_t keep_last = 2;
    bool keep_best = true;
  };
  struct Evaluation {
    std::int64_t every = 0;
    std::int64_t max_tokens = 0;
    std::int64_t sample_tokens = 0;
    std::string sample_prompt;
  };

  Run run;
  MambaConfig model;  // without dtypes: train.precision sets them (train/model/model_config.h)
  Data data;
  Train train;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  Checkpoint checkpoint;
  Evaluation evaluation;
};

template <>
inline constexpr std::array<std::string_view, 2> kNames<Config::Train::Recompute>{"none", "blocks"};

/// Reads a YAML file and applies `overrides` of the form "section.field=value" after it. Relative
/// paths in it are taken as they are, from the directory the process runs in.
///
/// The file is UTF-8 of at most 1 MiB, one document, a mapping of sections to scalars; no aliases,
/// tags or merge keys. Numbers are decimal (1e6 is an integer where an integer is asked for, 010
/// and 0x10 are errors), booleans are true and false. The text of an override is the value itself:
/// no quotes, no YAML.
///
/// Throws MissingInput when there is no such file, else BadConfig with every mistake found, one a
/// line, in file order: "FILE:LINE:COLUMN: what is wrong, and what to do".
Config load_config(const std::filesystem::path& path,
                   const std::vector<std::string>& overrides = {});

/// load_config for a text that is already in memory; `source` stands for the file in messages.
Config parse_config(std::string_view text, const std::string& source,
                    const std::vector<std::string>& overrides = {});

/// The configuration as YAML with every field, in schema order with help and units as comments.
/// Reading it back gives the same values, doubles to the bit.
std::string dump_yaml(const Config& config);

/// Every field with type, range, default, unit and meaning, as text for a terminal.
std::string config_help();

/// The same as Markdown tables, one a section.
std::string config_markdown();

/// The device of a run, which can compute in train.precision. Throws BadConfig. Not part of
/// load_config, so that a configuration for another machine can be read and checked here.
Device resolve_device(const Config& config);

}  // namespace krait
