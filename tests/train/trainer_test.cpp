#include "train/trainer.h"

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/memory/allocator.h"
#include "core/random.h"
#include "core/system/file.h"
#include "core/system/parallel.h"
#include "data/hdf5/hdf5.h"
#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "train/run/checkpoint.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::on_gpu;

/// Documents of pseudo-random words: learnable, and different for each seed.
void write_set(const fs::path& path, std::uint64_t seed, int documents) {
  const ByteTokenizer tokenizer;
  TokenSetWriter writer(path, tokenizer);
  const RandomStream random{.seed = seed};
  std::uint64_t draw = 0;
  for (int d = 0; d < documents; ++d) {
    std::string text;
    const auto words = 1 + random.bits64(draw++) % 40;
    for (std::uint64_t w = 0; w < words; ++w) {
      text += std::string(1 + random.bits64(draw) % 5,
                          static_cast<char>('a' + random.bits64(draw) % 7));
      text += ' ', ++draw;
    }
    writer.append(tokenizer.encode(text));
    writer.end_document();
  }
  writer.prepare("{}");
  writer.commit();
}

/// Everything a run needs in one directory. Accumulation 2; an epoch is 12 to 13 steps.
class Bench {
 public:
  Bench() {
    write_set(dir_.path() / "train.h5", 1, 45);
    write_set(dir_.path() / "valid.h5", 2, 6);
  }
  Config config(const std::string& run) const {
    Config c;
    c.run = {.directory = (dir_.path() / run).string(),
             .seed = 11,
             .device = on_gpu() ? DeviceChoice::Cuda : DeviceChoice::Cpu};
    c.model.d_model = 16, c.model.n_layer = 2, c.model.mamba1.d_state = 4, c.model.dropout = 0.1;
    c.data.train = (dir_.path() / "train.h5").string();
    c.data.valid = (dir_.path() / "valid.h5").string();
    c.data.sequence_length = 32;
    c.train.steps = 30, c.train.batch_size = 8, c.train.accumulation = 2, c.train.ema_decay = 0.9;
    c.optimizer.lr = 3e-3;
    c.schedule.warmup_steps = 5;
    c.checkpoint.every = 4;
    c.evaluation.every = 5;
    return c;
  }
  const fs::path& path() const { return dir_.path(); }

 private:
  TemporaryDirectory dir_;
};

TrainOptions quiet(std::int64_t stop_at = 0) {
  return {.output = {.write = [](std::string_view) {},
                     .clock = [] { return 0.0; },
                     .width = [] { return 80; }},
          .should_stop = [stop_at](std::int64_t step) { return step == stop_at; }};
}

/// The log without what depends on the clock.
std::vector<json> metrics(const Config& c) {
  std::ifstream in(fs::path(c.run.directory) / "metrics.jsonl");
  std::vector<json> lines;
  for (std::string line; std::getline(in, line);) {
    json record = json::parse(line);
    record.erase("tokens_per_second");
    lines.push_back(record);
  }
  return lines;
}

void expect_resumed_run_equals_straight_one(Precision precision, std::uint64_t trials) {
  const Bench bench;
  Config straight = bench.config("straight");
  straight.train.precision = precision;
  const TrainResult expected = train(straight, quiet());
  ASSERT_TRUE(expected.finished);
  ASSERT_EQ(metrics(straight).size(), 30u);
  const RandomStream random{.seed = 99};
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    Config c = bench.config("resumed" + std::to_string(trial));
    c.train.precision = precision;
    // Two stops at random steps, one before and one after the epoch end near step 12.
    const auto first = static_cast<std::int64_t>(1 + random.bits64(2 * trial) % 11);
    const auto second = static_cast<std::int64_t>(13 + random.bits64(2 * trial + 1) % 16);
    EXPECT_FALSE(train(c, quiet(first)).finished);
    EXPECT_FALSE(train(c, quiet(second)).finished);
    const TrainResult got = train(c, quiet());
    EXPECT_TRUE(got.finished);
    EXPECT_EQ(got.parameter_hash, expected.parameter_hash) << first << ", " << second;
    EXPECT_EQ(metrics(c), metrics(straight)) << first << ", " << second;
  }
}

DEVICE_TEST(Trainer, AResumedRunEqualsOneThatNeverStoppedToTheBit) {
  expect_resumed_run_equals_straight_one(Precision::F32, 4);
}

TEST(GpuTrainer, AResumedRunInBf16OrTf32EqualsOneThatNeverStoppedToTheBit) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  expect_resumed_run_equals_straight_one(Precision::Bf16, 4);
  expect_resumed_run_equals_straight_one(Precision::Tf32, 1);
}

TEST(Trainer, AMixtureGoesOnToTheBitAndWithTheSameSharesOnly) {
  const Bench bench;
  const std::string train_set = (bench.path() / "train.h5").string();
  const std::string other = (bench.path() / "valid.h5").string();
  const auto config = [&](const std::string& run, const std::string& weights) {
    Config c = bench.config(run);
    c.data.train = train_set + ":0.75, " + other + ":" + weights;
    return c;
  };
  const TrainResult expected = train(config("straight", "0.25"), quiet());
  EXPECT_FALSE(train(config("resumed", "0.25"), quiet(9)).finished);
  EXPECT_EQ(train(config("resumed", "0.250"), quiet()).parameter_hash, expected.parameter_hash);
  EXPECT_FALSE(train(config("changed", "0.25"), quiet(9)).finished);
  expect_error(ErrorKind::BadConfig, {"is not the token set that the run in", "was trained on"},
               [&] { train(config("changed", "0.5"), quiet()); });
  Config single = bench.config("single");
  EXPECT_NE(train(single, quiet()).parameter_hash, expected.parameter_hash);
}

TEST(Trainer, ShardsTrainAsOneFileDoes) {
  const Bench bench;
  const TrainResult expected = train(bench.config("one"), quiet(12));
  const TokenSet whole(bench.path() / "train.h5");
  const auto offsets = whole.document_offsets();
  fs::create_directory(bench.path() / "shards");
  for (std::size_t document = 0; document < 45;) {
    TokenSetWriter writer(bench.path() / "shards" / (std::to_string(document + 100) + ".h5"),
                          ByteTokenizer());
    for (const std::size_t end = document + 9; document < end; ++document) {
      std::vector<std::int32_t> ids(offsets[document + 1] - offsets[document] - 1);
      whole.copy(offsets[document], ids);
      writer.append(ids);
      writer.end_document();
    }
    writer.prepare("{}");
    writer.commit();
  }
  Config c = bench.config("shards");
  c.data.train = (bench.path() / "shards").string();
  EXPECT_EQ(train(c, quiet(12)).parameter_hash, expected.parameter_hash);
}

DEVICE_TEST(Trainer, ARunKilledBetweenCheckpointsRepeatsTheLostStepsExactly) {
  const Bench bench;
  const Config straight = bench.config("straight"), killed = bench.config("killed");
  const TrainResult expected = train(straight, quiet());
  EXPECT_THROW(train(killed, {.output = quiet().output,
                              .should_stop = [](std::int64_t step) -> bool {
                                if (step == 19)
                                  throw Error(ErrorKind::Io, "killed");  // nothing is saved
                                return false;
                              }}),
               Error);
  // On a GPU the figures of a step are read while the next one runs.
  EXPECT_EQ(metrics(killed).size(), on_gpu() ? 18u : 19u);
  fs::create_directory(fs::path(killed.run.directory) / "checkpoints/.partial_step_00000020");
  const TrainResult got = train(killed, quiet());
  EXPECT_EQ(got.parameter_hash, expected.parameter_hash);
  EXPECT_EQ(metrics(killed), metrics(straight));
  EXPECT_FALSE(fs::exists(fs::path(killed.run.directory) / "checkpoints/.partial_step_00000020"));
}

DEVICE_TEST(Trainer, ADamagedNewestCheckpointCostsOnlyTheStepsSinceTheOneBefore) {
  const Bench bench;
  const Config straight = bench.config("straight"), c = bench.config("damaged");
  const TrainResult expected = train(straight, quiet());
  const TrainResult stopped = train(c, quiet(22));
  fs::resize_file(fs::path(stopped.checkpoint) / "optimizer.h5", 1000);
  EXPECT_EQ(train(c, quiet()).parameter_hash, expected.parameter_hash);
  EXPECT_EQ(metrics(c), metrics(straight));
}

DEVICE_TEST(Trainer, ResultsDoNotDependOnThreadsPrefetchOrRecomputation) {
  const Bench bench;
  const int threads = thread_count();
  const TrainResult expected = train(bench.config("one"), quiet());
  Config c = bench.config("two");
  c.run.threads = 3;
  c.data.prefetch = 0;
  c.train.recompute = Config::Train::Recompute::Blocks;
  EXPECT_EQ(train(c, quiet()).parameter_hash, expected.parameter_hash);
  set_thread_count(threads);
}

DEVICE_TEST(Trainer, LearnsAndKeepsTheBestCheckpoint) {
  const Bench bench;
  Config c = bench.config("run");
  c.train.steps = 60;
  const TrainResult result = train(c, quiet());
  const auto log = metrics(c);
  EXPECT_LT(result.loss, 0.8 * log.front().at("loss").get<double>());
  EXPECT_TRUE(std::isfinite(result.evaluation_loss));
  const CheckpointState state = read_checkpoint_state(result.checkpoint);
  EXPECT_LE(state.position.best_loss, result.evaluation_loss);
  bool best_is_kept = false;
  for (const auto& info : list_checkpoints(fs::path(c.run.directory) / "checkpoints")) {
    EXPECT_TRUE(verify_checkpoint(info.path).empty());
    best_is_kept = best_is_kept || info.step == state.position.best_step;
  }
  EXPECT_TRUE(best_is_kept);
  EXPECT_TRUE(train(c, quiet()).finished);  // a finished run stays finished
  EXPECT_EQ(metrics(c), log);
}

/// Trains until `step` and gives the state in the checkpoint that is made there.
CheckpointState state_after(const Config& c, std::int64_t step) {
  return read_checkpoint_state(train(c, quiet(step)).checkpoint);
}

DEVICE_TEST(Trainer, AHybridIsTrainedResumedEvaluatedAndWrites) {
  const Bench bench;
  const auto config = [&](const std::string& run, const std::string& layers, S4dInitial initial) {
    Config c = bench.config(run);
    c.model.n_layer = 0, c.model.layers = layers;
    c.model.s4d.d_state = 4, c.model.s4d.initial = initial;
    c.train.steps = 20;
    c.evaluation.sample_tokens = 5, c.evaluation.sample_prompt = "a";
    return c;
  };
  for (const S4dInitial initial : {S4dInitial::Lin, S4dInitial::Real}) {
    const std::string name(name_of(initial));
    const Config straight = config(name, "mamba1, s4d", initial);
    const TrainResult expected = train(straight, quiet());
    EXPECT_LT(expected.loss, 0.9 * metrics(straight).front().at("loss").get<double>());
    EXPECT_TRUE(std::isfinite(expected.evaluation_loss));
    const Config resumed = config(name + "_resumed", "mamba1, s4d", initial);
    EXPECT_FALSE(train(resumed, quiet(9)).finished);
    EXPECT_EQ(train(resumed, quiet()).parameter_hash, expected.parameter_hash);
    EXPECT_EQ(metrics(resumed), metrics(straight));
    const auto sample = [](const Config& c) {
      return read_file(fs::path(c.run.directory) / "samples/step_00000020.txt");
    };
    EXPECT_EQ(sample(resumed), sample(straight));
  }
  Config other = config("lin", "s4d, mamba1", S4dInitial::Lin);
  expect_error(ErrorKind::BadConfig, {"model.layers"}, [&] { train(other, quiet()); });
}

TEST(Trainer, AConfigurationThatNamesItsMamba1LayersMeansTheSame) {
  const Bench bench;
  Config plain = bench.config("plain"), named = bench.config("named");
  named.model.n_layer = 0, named.model.layers = "mamba1 x2";
  EXPECT_EQ(train(named, quiet(5)).parameter_hash, train(plain, quiet(5)).parameter_hash);
}

TEST(Trainer, ARunGoesOnWithAnAverageThatItsCheckpointDoesNotHave) {
  const Bench bench;
  Config c = bench.config("run");
  c.train.ema_decay = 0;
  train(c, quiet(8));
  c.train.ema_decay = 0.5;
  const TrainResult result = train(c, quiet(9));
  ASSERT_EQ(result.step, 9);
  // After one step from an average that started at the weights of step 8.
  Config without = bench.config("without");
  without.train.ema_decay = 0;
  const TrainResult before = train(without, quiet(8));
  const auto weights = [](const std::string& checkpoint, const std::string& file) {
    return Hdf5File::open(fs::path(checkpoint) / file)
        .read<float>("backbone.layers.0.mixer.out_proj.weight")
        .values;
  };
  const auto start = weights(before.checkpoint, "model.h5");
  const auto now = weights(result.checkpoint, "model.h5");
  const auto average = weights(result.checkpoint, "ema.h5");
  for (std::size_t i = 0; i < start.size(); ++i) {
    EXPECT_NEAR(average[i], 0.5 * start[i] + 0.5 * now[i], 1e-6) << i;
  }
  c.train.ema_decay = 0;  // and off again
  EXPECT_EQ(train(c, quiet(10)).step, 10);
}

TEST(Trainer, AnotherValidationSetStartsANewBest) {
  const Bench bench;
  Config c = bench.config("run");
  CheckpointState state = state_after(c, 10);
  ASSERT_GT(state.position.best_step, 0);
  ASSERT_FALSE(state.position.best_identity.empty());
  state = state_after(c, 11);  // the same set: the best one stays
  EXPECT_EQ(state.position.best_step, 10);
  c.evaluation.max_tokens = 40;
  state = state_after(c, 12);
  EXPECT_EQ(state.position.best_step, 0);
  state = state_after(c, 15);  // whatever its loss, the first evaluation on 40 tokens is the best
  EXPECT_EQ(state.position.best_step, 15);
  write_set(bench.path() / "other.h5", 3, 6);
  c.data.valid = (bench.path() / "other.h5").string();
  state = state_after(c, 16);
  EXPECT_EQ(state.position.best_step, 0);
  fs::copy_file(bench.path() / "other.h5", bench.path() / "copy.h5");
  state = state_after(c, 20);
  EXPECT_EQ(state.position.best_step, 20);
  c.data.valid = (bench.path() / "copy.h5").string();  // the same tokens in another place
  EXPECT_EQ(state_after(c, 21).position.best_step, 20);
}

TEST(Trainer, ARunThatWasFinishedHasNoLossOfItsOwn) {
  const Bench bench;
  Config c = bench.config("run");
  c.train.steps = 6;
  EXPECT_TRUE(std::isfinite(train(c, quiet()).loss));
  const TrainResult again = train(c, quiet());
  EXPECT_TRUE(again.finished);
  EXPECT_TRUE(std::isnan(again.loss));
}

TEST(Trainer, ARunWhoseDataAreMissingLeavesNoDirectory) {
  const Bench bench;
  for (const bool valid : {false, true}) {
    Config c = bench.config("run");
    (valid ? c.data.valid : c.data.train) = (bench.path() / "mistyped.h5").string();
    expect_error(ErrorKind::MissingInput, {"mistyped.h5"}, [&] { train(c, quiet()); });
    EXPECT_FALSE(fs::exists(c.run.directory));
  }
}

TEST(Trainer, MicroBatchesWeighByTheirTokens) {
  // With the same samples, 1, 2 and 4 micro-batches give the same mean up to rounding.
  const Bench bench;
  double loss[3] = {}, norm[3] = {};
  for (int i = 0; i < 3; ++i) {
    Config c = bench.config("accumulation" + std::to_string(i));
    c.model.dropout = 0;
    c.train.accumulation = 1 << i;
    c.train.precision = Precision::F64;
    train(c, quiet(3));
    loss[i] = metrics(c).back().at("loss").get<double>();
    norm[i] = metrics(c).back().at("grad_norm").get<double>();
  }
  EXPECT_NEAR(loss[1], loss[0], 1e-12);
  EXPECT_NEAR(loss[2], loss[0], 1e-12);
  EXPECT_NEAR(norm[1], norm[0], 1e-11);
  EXPECT_NEAR(norm[2], norm[0], 1e-11);
}

DEVICE_TEST(Trainer, StopsOnANonFiniteLossWithoutTouchingTheCheckpoints) {
  const Bench bench;
  Config c = bench.config("run");
  train(c, quiet(4));
  c.evaluation.every = 0;
  c.optimizer.lr = 1e30;
  c.optimizer.clip_norm = 0;
  try {
    train(c, quiet());
    FAIL() << "trained on";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::NonFinite);
    const std::string message = e.what();
    EXPECT_NE(message.find("step_00000004"), std::string::npos) << message;
    // Step 5 wrecks the weights; the first figure that shows it is that of step 6.
    EXPECT_EQ(message.find("step 6: "), 0u) << message;
    EXPECT_EQ(metrics(c).back().at("step"), 5);
  }
  EXPECT_EQ(newest_valid_checkpoint(fs::path(c.run.directory) / "checkpoints")->step, 4);
}

TEST(GpuTrainer, LossesInF32FollowTheCpus) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Bench bench;
  const auto losses = [&](const std::string& run, Device device, Precision precision) {
    const testing::TestDeviceScope scope(device);
    Config c = bench.config(run);
    c.train.steps = 20, c.train.precision = precision;
    train(c, quiet());
    return metrics(c);
  };
  const auto want = losses("cpu", {}, Precision::F32);
  const auto expect_near = [&](const std::vector<json>& got, double limit, const char* what) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double loss = want[i].at("loss").get<double>();
      EXPECT_NEAR(got[i].at("loss").get<double>(), loss, limit * loss) << what << " step " << i + 1;
      EXPECT_EQ(got[i].at("tokens"), want[i].at("tokens"));
      EXPECT_EQ(got[i].at("lr"), want[i].at("lr"));
    }
    EXPECT_NEAR(got.back().at("eval_loss").get<double>(), want.back().at("eval_loss").get<double>(),
                limit * 5);
  };
  expect_near(losses("f32", testing::kGpu, Precision::F32), 1e-4, "f32");
  expect_near(losses("tf32", testing::kGpu, Precision::Tf32), 1e-2, "tf32");
  expect_near(losses("bf16", testing::kGpu, Precision::Bf16), 2e-2, "bf16");
}

TEST(GpuTrainer, AfterTheFirstStepNoMemoryIsTakenFromTheDriver) {
  KRAIT_SKIP_WITHOUT_GPU();
  const testing::TestDeviceScope scope(testing::kGpu);
  const Bench bench;
  for (const Precision precision : {Precision::F32, Precision::Bf16}) {
    Config c = bench.config(std::string(name_of(precision)));
    c.train.precision = precision;
    c.evaluation.every = 0, c.checkpoint.every = 0;
    std::vector<std::uint64_t> calls;
    TrainOptions options = quiet();
    options.should_stop = [&](std::int64_t) {
      calls.push_back(allocator(testing::kGpu).statistics().driver_calls);
      return false;
    };
    train(c, options);
    ASSERT_EQ(calls.size(), 30u);
    EXPECT_EQ(calls.back(), calls.front()) << name_of(precision);
  }
}

TEST(Trainer, RefusesToGoOnWithAnotherModelOrOtherData) {
  const Bench bench;
  Config c = bench.config("run");
  train(c, quiet(4));
  const auto expect = [&](const Config& changed, const std::string& text) {
    try {
      train(changed, quiet());
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::BadConfig);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  Config wider = c, reseeded = c, other = c;
  wider.model.d_model = 24;
  reseeded.run.seed = 12;
  other.data.train = other.data.valid;
  expect(wider, "model.d_model = 16");
  expect(reseeded, "run.seed");
  expect(other, "not the token set");
  c.model.vocab_size = 300;
  try {
    train(c, quiet());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::BadData) << e.what();
  }
}

TEST(Trainer, RefusesDataWithAChangedToken) {
  const Bench bench;
  Config c = bench.config("run");
  const fs::path damaged = bench.path() / "damaged.h5";
  fs::copy_file(c.data.train, damaged);
  const Hdf5DatasetInfo tokens = Hdf5File::open(damaged).info("tokens");
  {
    std::fstream f(damaged, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<std::streamoff>(tokens.offset + 2 * 100));  // the low byte of token 100
    f.put('!');
  }
  c.data.train = damaged.string();
  try {
    train(c, quiet(2));
    FAIL() << "trained on damaged data";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::BadData);
    EXPECT_NE(std::string(e.what()).find("damaged.h5"), std::string::npos) << e.what();
  }
  c.data.verify = false;
  EXPECT_EQ(train(c, quiet(2)).step, 2);
}

TEST(Trainer, OneProcessHoldsARunDirectory) {
  const Bench bench;
  const Config c = bench.config("run");
  EXPECT_THROW(train(c, {.output = quiet().output,
                         .should_stop = [&](std::int64_t) -> bool {
                           train(c, quiet());  // a second trainer on the same directory
                           return true;
                         }}),
               Error);
}

}  // namespace
}  // namespace krait
