#include "train/run/checkpoint.h"

#include <csignal>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/random.h"
#include "core/system/file.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

std::vector<NamedTensor> tensors(double first) {
  std::vector<NamedTensor> out;
  for (const char* name : {"backbone.embedding.weight", "backbone.norm_f.weight"}) {
    const Tensor t = Tensor::empty({37, 5}, DType::F32);
    for (std::int64_t i = 0; i < t.numel(); ++i) {
      t.data<float>()[i] = static_cast<float>(first + 0.1 * static_cast<double>(i));
    }
    out.push_back({name, t});
    first += 100;
  }
  return out;
}

CheckpointTensors all_tensors(double first) {
  return {tensors(first), tensors(first + 1), tensors(first + 2), tensors(first + 3)};
}

CheckpointState state(std::int64_t step) {
  return {.position = {.step = step,
                       .samples = 8 * static_cast<std::uint64_t>(step),
                       .tokens = 99,
                       .best_loss = 2.0 / 3,
                       .best_step = 2},
          .config_yaml = "run: {directory: x}\n",
          .data_identity = "d",
          .tokenizer_identity = "{}",
          .tokenizer_definition = R"({"version": "1.0"})",
          .vocab_size = 257};
}

void flip_byte(const fs::path& path, std::uint64_t at) {
  std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
  f.seekg(static_cast<std::streamoff>(at));
  const char c = static_cast<char>(f.get());
  f.seekp(static_cast<std::streamoff>(at));
  f.put(static_cast<char>(c ^ 0x10));
}

std::vector<fs::path> files_of(const fs::path& checkpoint) {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator(checkpoint)) out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Checkpoint, ComesBackAsItWasSaved) {
  const TemporaryDirectory dir;
  const fs::path path = save_checkpoint(dir.path(), state(1200), all_tensors(1));
  EXPECT_EQ(path.filename(), "step_00001200");
  EXPECT_TRUE(verify_checkpoint(path).empty());
  const CheckpointState s = read_checkpoint_state(path);
  EXPECT_EQ(s.position.step, 1200);
  EXPECT_EQ(s.position.samples, 9600u);
  EXPECT_EQ(s.position.best_loss, 2.0 / 3);
  EXPECT_EQ(s.position.best_step, 2);
  EXPECT_EQ(s.config_yaml, state(1).config_yaml);
  EXPECT_EQ(s.tokenizer_definition, state(1).tokenizer_definition);
  EXPECT_EQ(s.vocab_size, 257);
  const CheckpointTensors got = all_tensors(-5000), saved = all_tensors(1);
  read_checkpoint_tensors(path, got);
  EXPECT_EQ(tensor_hash(got.parameters), tensor_hash(saved.parameters));
  EXPECT_EQ(tensor_hash(got.first_moment), tensor_hash(saved.first_moment));
  EXPECT_EQ(tensor_hash(got.second_moment), tensor_hash(saved.second_moment));
  EXPECT_EQ(tensor_hash(got.average), tensor_hash(saved.average));
  EXPECT_NE(tensor_hash(got.parameters), tensor_hash(got.average));
}

TEST(Checkpoint, OfATokenizerThatNeedsNoDefinitionHasNone) {
  const TemporaryDirectory dir;
  CheckpointState plain = state(3);
  plain.tokenizer_definition.clear();
  const fs::path path = save_checkpoint(dir.path(), plain, all_tensors(1));
  EXPECT_FALSE(fs::exists(path / "tokenizer.json"));
  EXPECT_EQ(read_checkpoint_state(path).tokenizer_definition, "");
}

TEST(Checkpoint, EveryFlippedOrMissingByteIsFound) {
  const TemporaryDirectory dir;
  const RandomStream random{.seed = 5};
  std::uint64_t draw = 0;
  int damaged = 0;
  const fs::path good = save_checkpoint(dir.path() / "good", state(7), all_tensors(1));
  for (const fs::path& file : files_of(good)) {
    for (int round = 0; round < 40; ++round) {
      fs::remove_all(dir.path() / "bad");
      fs::create_directories(dir.path() / "bad");
      fs::copy(good, dir.path() / "bad/step_00000007", fs::copy_options::recursive);
      const fs::path victim = dir.path() / "bad/step_00000007" / file.filename();
      const std::uint64_t size = fs::file_size(victim);
      const std::uint64_t at = random.bits64(draw++) % size;
      round % 2 == 0 ? flip_byte(victim, at) : fs::resize_file(victim, at);
      const auto problems = verify_checkpoint(victim.parent_path());
      // The manifest's own text may be changed where nothing reads it (blanks, the build's name).
      if (problems.empty() && file.filename() == "manifest.json") {
        const CheckpointTensors t = all_tensors(0);
        EXPECT_NO_THROW(read_checkpoint_tensors(victim.parent_path(), t));
        EXPECT_EQ(tensor_hash(t.parameters), tensor_hash(tensors(1)));
        continue;
      }
      EXPECT_FALSE(problems.empty()) << victim << " byte " << at << " round " << round;
      ++damaged;
    }
    fs::remove_all(dir.path() / "bad");
    fs::create_directories(dir.path() / "bad");
    fs::copy(good, dir.path() / "bad/step_00000007", fs::copy_options::recursive);
    fs::remove(dir.path() / "bad/step_00000007" / file.filename());
    EXPECT_FALSE(verify_checkpoint(dir.path() / "bad/step_00000007").empty()) << file;
  }
  EXPECT_GT(damaged, 200);
}

TEST(Checkpoint, TheNewestValidOneIsFoundAndDamagedOnesAreNamed) {
  const TemporaryDirectory dir;
  EXPECT_FALSE(newest_valid_checkpoint(dir.path()).has_value());
  EXPECT_THROW(resolve_checkpoint(dir.path()), Error);
  for (const std::int64_t step : {10, 20, 30})
    save_checkpoint(dir.path(), state(step), all_tensors(1));
  fs::create_directory(dir.path() / ".partial_step_00000040");
  fs::create_directory(dir.path() / "step_junk");
  EXPECT_EQ(list_checkpoints(dir.path()).size(), 3u);
  flip_byte(dir.path() / "step_00000030/model.h5", 900);
  std::vector<std::string> skipped;
  EXPECT_EQ(newest_valid_checkpoint(dir.path(), &skipped)->step, 20);
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_NE(skipped[0].find("model.h5"), std::string::npos) << skipped[0];
  EXPECT_EQ(resolve_checkpoint(dir.path()).filename(), "step_00000020");
  remove_partial_checkpoints(dir.path());
  EXPECT_FALSE(fs::exists(dir.path() / ".partial_step_00000040"));
}

TEST(Checkpoint, PruningKeepsTheLastAndTheBest) {
  const TemporaryDirectory dir;
  for (const std::int64_t step : {1, 2, 3, 4, 5}) {
    save_checkpoint(dir.path(), state(step), all_tensors(1));
  }
  prune_checkpoints(dir.path(), 2, 2);
  std::vector<std::int64_t> left;
  for (const auto& c : list_checkpoints(dir.path())) left.push_back(c.step);
  EXPECT_EQ(left, (std::vector<std::int64_t>{2, 4, 5}));
}

TEST(Checkpoint, AWriteThatFailsLeavesTheOldOnesAndNothingElse) {
  const TemporaryDirectory dir;
  save_checkpoint(dir.path(), state(1), all_tensors(1));
  // A limit on the size of files fails writes as a full disk does, and needs no rights.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t limit : {100, 1000, 3000}) {
    const rlimit small{limit, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_THROW(save_checkpoint(dir.path(), state(2), all_tensors(1)), Error) << limit;
    setrlimit(RLIMIT_FSIZE, &old);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(newest_valid_checkpoint(dir.path())->step, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1);
}

TEST(Checkpoint, TensorsOfAnotherModelAreRefusedByName) {
  const TemporaryDirectory dir;
  const fs::path path = save_checkpoint(dir.path(), state(1), all_tensors(1));
  const auto expect = [&](std::vector<NamedTensor> wanted, const std::string& text) {
    try {
      read_checkpoint_parameters(path, CheckpointWeights::Trained, wanted);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::BadData);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  };
  auto more = tensors(1), fewer = tensors(1), other = tensors(1);
  more.push_back({"lm_head.weight", Tensor::zeros({1}, DType::F32)});
  fewer.pop_back();
  other[0].tensor = Tensor::zeros({37, 6}, DType::F32);
  expect(more, "lm_head.weight");
  expect(fewer, "backbone.norm_f.weight");
  expect(other, "(37, 5)");
}

}  // namespace
}  // namespace krait
