#include "train/run/same_run.h"

#include <set>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/config_values.h"
#include "train/config/schema.h"

namespace krait {
namespace {

/// What require_same_run does about a change of one field.
struct Outcome {
  std::string error;
  std::vector<std::string> changes;
};
Outcome outcome_of(const Config& before, const Config& config) {
  try {
    return {.changes = require_same_run(before, config)};
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::BadConfig);
    return {.error = e.what()};
  }
}

TEST(SameRun, DoesWithAChangedFieldWhatItsRoleSays) {
  std::set<FieldRole> seen;
  for (const Field& field : config_fields()) {
    const Config before;
    Config config = before;
    field.set(config, other_value(field, before, 0.37));
    const Outcome outcome = outcome_of(before, config);
    const std::string was = format_field(field, field.get(before));
    const std::string is = format_field(field, field.get(config));
    seen.insert(field.role);
    if (field.role == FieldRole::FixesRun) {
      const std::string expected = field.name + " = " + was + ", this configuration says " + is;
      EXPECT_NE(outcome.error.find(expected), std::string::npos)
          << field.name << ": " << outcome.error;
      continue;
    }
    EXPECT_EQ(outcome.error, "") << field.name;
    const std::vector<std::string> announced{field.name + " changed from " + was + " to " + is +
                                             " since the checkpoint"};
    EXPECT_EQ(outcome.changes,
              field.role == FieldRole::Free ? announced : std::vector<std::string>{})
        << field.name;
  }
  EXPECT_EQ(seen.size(), 3u) << "a role without a field";
}

TEST(SameRun, TheModelTheOrderOfTheDataAndTheArithmeticAreFixed) {
  const std::set<std::string_view> fixed{"run.seed", "data.sequence_length",
                                         "data.reset_at_documents", "train.precision"};
  const std::set<std::string_view> local{"run.directory",      "run.threads", "run.device",
                                         "run.profile_ranges", "data.train",  "data.verify",
                                         "data.prefetch"};
  const std::set<std::string_view> sections_of_runs{"optimizer", "schedule", "checkpoint",
                                                    "evaluation"};
  for (const Field& field : config_fields()) {
    if (field.section() == "model" || fixed.count(field.name) != 0) {
      EXPECT_EQ(field.role, FieldRole::FixesRun) << field.name;
    } else if (local.count(field.name) != 0) {
      EXPECT_EQ(field.role, FieldRole::Local) << field.name;
    } else if (sections_of_runs.count(field.section()) != 0) {
      EXPECT_EQ(field.role, FieldRole::Free) << field.name;
    }
  }
}

TEST(SameRun, AllFreeChangesAreAnnouncedInTheOrderOfTheSchema) {
  const Config before;
  Config config = before;
  config.optimizer.lr = 0.25;
  config.train.steps = 7;
  config.run.threads = 3;
  EXPECT_EQ(require_same_run(before, config),
            (std::vector<std::string>{"train.steps changed from 0 to 7 since the checkpoint",
                                      "optimizer.lr changed from 0 to 0.25 since the checkpoint"}));
  EXPECT_TRUE(require_same_run(config, config).empty());
}

TEST(SameRun, OtherDataAreRefusedWhateverTheirPath) {
  Config config;
  config.run.directory = "runs/a";
  config.data.train = "moved.h5";
  EXPECT_NO_THROW(require_same_data({.data_identity = "abc"}, "abc", config));
  try {
    require_same_data({.data_identity = "abc"}, "abd", config);
    FAIL() << "other data were accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::BadConfig);
    EXPECT_NE(std::string(e.what()).find("data.train 'moved.h5' is not the token set that the run"
                                         " in 'runs/a' was trained on"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace krait
