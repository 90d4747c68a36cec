// Real data that is too large for the project: a folder that the environment names.
#pragma once
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

/// Skips the test unless KRAIT_LRA_DIR is set to a folder with what was published: aclImdb/,
/// tsv_data/, cifar-10-batches-bin/, listops_sample200.tsv, pathfinder32_official_sample.txt.
#define KRAIT_RAW_DATA_OR_SKIP(variable)                                            \
  const char* variable##_name = std::getenv("KRAIT_LRA_DIR");                       \
  if (variable##_name == nullptr) {                                                 \
    GTEST_SKIP() << "KRAIT_LRA_DIR does not name a folder with the published data"; \
  }                                                                                 \
  const std::filesystem::path variable(variable##_name)
