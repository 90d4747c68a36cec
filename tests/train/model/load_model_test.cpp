#include "train/model/load_model.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "data/token_set/writer.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "train/model/model_config.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

constexpr const char* kYaml = R"(
run: {directory: r}
model: {d_model: 12, n_layer: 2, d_state: 3}
data: {train: t.h5, sequence_length: 8}
train: {steps: 1, batch_size: 1}
optimizer: {lr: 0.1}
)";

class LoadModel : public ::testing::Test {
 protected:
  /// A checkpoint of a model initialised with `step` as the seed.
  fs::path save(std::int64_t step, std::int64_t vocab_size = 257, bool averaged = false) {
    const Config config = parse_config(kYaml, "test");
    const LanguageModel model(model_config(config, vocab_size)), average(model.config());
    model.initialise(static_cast<std::uint64_t>(step));
    average.initialise(static_cast<std::uint64_t>(step) + 1000);
    CheckpointState state{.config_yaml = dump_yaml(config),
                          .tokenizer_identity = ByteTokenizer().identity().json(),
                          .vocab_size = vocab_size};
    state.position.step = step;
    CheckpointTensors tensors{.parameters = values(model)};
    if (averaged) tensors.average = values(average);
    return save_checkpoint(checkpoints(), state, tensors);
  }
  fs::path run() const { return directory_ / "run"; }
  fs::path checkpoints() const { return run() / "checkpoints"; }

  static std::vector<NamedTensor> values(const LanguageModel& model) {
    std::vector<NamedTensor> result;
    for (const Parameter& p : model.parameters()) result.push_back({p.name, p.variable.value()});
    return result;
  }
  static std::string hash(std::uint64_t seed) {
    const LanguageModel model(model_config(parse_config(kYaml, "test"), 257));
    model.initialise(seed);
    return tensor_hash(values(model));
  }

  TemporaryDirectory directory_;
};

TEST_F(LoadModel, ReadsACheckpointOrTheNewestOfARun) {
  const fs::path old = save(3), newest = save(20);
  for (const fs::path& path : {newest, checkpoints(), run()}) {
    const LoadedModel loaded = load_model(path);
    EXPECT_EQ(loaded.path, newest);
    EXPECT_EQ(loaded.step, 20);
    EXPECT_EQ(loaded.config.data.sequence_length, 8);
    EXPECT_EQ(loaded.tokenizer->identity(), ByteTokenizer().identity());
    EXPECT_EQ(tensor_hash(values(*loaded.model)), hash(20));
  }
  EXPECT_EQ(tensor_hash(values(*load_model(old).model)), hash(3));
}

TEST_F(LoadModel, TakesTheAveragedWeightsOnRequest) {
  save(4, 257, true);
  EXPECT_EQ(tensor_hash(values(*load_model(run()).model)), hash(4));
  const LoadModelOptions averaged{.weights = CheckpointWeights::Averaged};
  EXPECT_EQ(tensor_hash(values(*load_model(run(), averaged).model)), hash(1004));
  save(5);
  expect_error(ErrorKind::MissingInput, {"averaged"}, [&] { load_model(run(), averaged); });
}

TEST_F(LoadModel, ReadsIntoAnotherDtype) {
  save(1);
  const LoadedModel narrow = load_model(run()),
                    wide = load_model(run(), {.precision = Precision::F64});
  const Tensor a = narrow.model->head().value(), b = wide.model->head().value();
  ASSERT_EQ(b.dtype(), DType::F64);
  for (std::size_t i = 0; i < a.span<float>().size(); ++i) {
    ASSERT_EQ(static_cast<double>(a.span<float>()[i]), b.span<double>()[i]);
  }
}

using GpuLoadModel = LoadModel;
TEST_F(GpuLoadModel, ReadsInAnyPrecisionThatTheGpuHas) {
  KRAIT_SKIP_WITHOUT_GPU();
  save(1);
  const LoadedModel cpu = load_model(run());
  for (const Precision precision : {Precision::F32, Precision::Tf32, Precision::Bf16}) {
    const Device gpu{.type = DeviceType::Cuda};
    const LoadedModel loaded = load_model(run(), {.precision = precision, .device = gpu});
    EXPECT_EQ(loaded.precision, precision);
    EXPECT_EQ(loaded.model->device(), gpu);
    const bool narrow = precision == Precision::Bf16;
    EXPECT_EQ(loaded.model->head().dtype(), narrow ? DType::BF16 : DType::F32);
    const Tensor got = loaded.model->head().value().to({}), want = cpu.model->head().value();
    for (std::int64_t i = 0; i < want.numel(); ++i) {
      const float value = want.data<float>()[i];
      ASSERT_EQ(narrow ? static_cast<float>(got.data<BFloat16>()[i]) : got.data<float>()[i],
                narrow ? static_cast<float>(BFloat16(value)) : value);
    }
  }
}

TEST_F(LoadModel, AVocabularySmallerThanTheTokenizersIsBadData) {
  save(1, 256);
  expect_error(ErrorKind::BadData, {"256", "257", "use another checkpoint"},
               [&] { load_model(run()); });
}

TEST_F(LoadModel, AVocabularyLargerThanTheTokenizersIsTaken) {
  save(1, 300);
  const LoadedModel loaded = load_model(run());
  EXPECT_EQ(loaded.model->config().vocab_size, 300);
  EXPECT_EQ(loaded.tokenizer->vocab_size(), 257);
}

TEST_F(LoadModel, WhatIsNotThereOrDamagedIsOneClearError) {
  expect_error(ErrorKind::MissingInput, {"nowhere"}, [&] { load_model(directory_ / "nowhere"); });
  const fs::path checkpoint = save(1);
  std::string model = read_file(checkpoint / "model.h5");
  model[model.size() / 2] ^= 1;
  write_file_atomic(checkpoint / "model.h5", model);
  expect_error(ErrorKind::BadData, {"model.h5"}, [&] { load_model(checkpoint); });
}

TEST_F(LoadModel, ASetOfAnotherTokenizerIsRefused) {
  save(1);
  const LoadedModel loaded = load_model(run());
  const auto write_set = [&](const std::string& name, const Tokenizer& tokenizer) {
    TokenSetWriter writer(directory_ / name, tokenizer);
    writer.append(tokenizer.encode("a"));
    writer.end_document();
    writer.prepare("{}");
    writer.commit();
    return TokenSet(directory_ / name);
  };
  class Wide final : public Tokenizer {
   public:
    std::int64_t vocab_size() const override { return 300; }
    std::vector<std::int32_t> encode(std::string_view) const override { return {7}; }
    std::string decode(std::span<const std::int32_t>) const override { return "a"; }
    std::int32_t end_of_document() const override { return 299; }
    TokenizerIdentity identity() const override { return {"wide", std::string(64, 'f')}; }
    std::size_t safe_cut(std::string_view) const override { return 0; }
  };
  EXPECT_NO_THROW(require_tokenizer_of(loaded, write_set("byte.h5", ByteTokenizer())));
  const TokenSet other = write_set("wide.h5", Wide());
  expect_error(ErrorKind::BadData, {"wide.h5", "300", "257", "build the set again"},
               [&] { require_tokenizer_of(loaded, other); });
}

}  // namespace
}  // namespace krait
