#include "train/model/hugging_face/load.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/memory/allocator.h"
#include "core/system/file.h"
#include "data/tokenizer/make_tokenizer.h"
#include "tests/support/temporary_directory.h"
#include "train/model/hugging_face/tokenizer.h"
#include "train/model/load_model.h"
#include "train/model/model_config.h"
#include "train/model/model_info.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<NamedTensor> values(const MambaLM& model) {
  std::vector<NamedTensor> result;
  for (const Parameter& p : model.parameters()) result.push_back({p.name, p.variable.value()});
  return result;
}

/// A model of bytes, as training would leave it.
LoadedModel byte_model(bool tied = true) {
  LoadedModel loaded;
  loaded.config.model = {.d_model = 12, .n_layer = 2, .d_state = 3, .tie_embeddings = tied};
  loaded.tokenizer = make_tokenizer("byte");
  loaded.model = std::make_unique<MambaLM>(model_config(loaded.config, 257));
  loaded.model->initialise(5);
  return loaded;
}

class HuggingFace : public ::testing::Test {
 protected:
  /// Exports a model of bytes and lets `change` alter the arrays before they are written again.
  using Arrays = std::vector<SafetensorsOutput>;
  fs::path exported(const std::function<void(Arrays&)>& change = {}, bool tied = true) {
    const fs::path path = directory_ / ("model" + std::to_string(++count_));
    const LoadedModel model = byte_model(tied);
    export_hugging_face(model, path);
    if (!change) return path;
    Arrays arrays;
    for (const Parameter& p : model.model->parameters()) {
      const bool embedding = p.name == "backbone.embedding.weight";
      arrays.push_back({embedding ? "backbone.embeddings.weight" : p.name, p.variable.value()});
    }
    change(arrays);
    write_safetensors(path / "model.safetensors", arrays);
    return path;
  }
  void edit_config(const fs::path& path, const std::function<void(json&)>& edit) const {
    json config = json::parse(read_file(path / "config.json"));
    edit(config);
    write_file_atomic(path / "config.json", config.dump());
  }
  static void expect_bad(const fs::path& path, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::BadData, parts, [&] { load_model(path); });
  }

  TemporaryDirectory directory_;
  int count_ = 0;
};

TEST_F(HuggingFace, AnExportedModelOfBytesComesBackWithItsTokenizer) {
  for (const bool tied : {true, false}) {
    const fs::path path = exported({}, tied);
    const json config = json::parse(read_file(path / "config.json"));
    EXPECT_EQ(config["vocab_size"], 264);  // transformers knows no padding
    EXPECT_EQ(config["eos_token_id"], 256);
    const LoadedModel loaded = load_model(path);
    EXPECT_EQ(tensor_hash(values(*loaded.model)), tensor_hash(values(*byte_model(tied).model)));
    EXPECT_EQ(loaded.tokenizer->identity(), ByteTokenizer().identity());
    EXPECT_EQ(loaded.model->config().vocab_size, 257);
    EXPECT_EQ(loaded.model->config().padded_vocab(), 264);
    EXPECT_EQ(loaded.precision, Precision::F32);
  }
}

TEST_F(HuggingFace, ABpeTokenizerGoesWithTheModelInBothDirections) {
  const fs::path definition = KRAIT_SOURCE_DIR "/tests/golden/tokenizer.json";
  LoadedModel model;
  model.tokenizer = make_tokenizer(definition.string());
  model.config.model = {.d_model = 8, .n_layer = 1, .d_state = 2};
  model.model =
      std::make_unique<MambaLM>(model_config(model.config, model.tokenizer->vocab_size()));
  model.model->initialise(3);
  const fs::path path = directory_ / "model";
  export_hugging_face(model, path);
  EXPECT_EQ(read_file(path / "tokenizer.json"), read_file(definition));
  const json tokenizer = json::parse(read_file(path / "tokenizer_config.json"));
  EXPECT_EQ(tokenizer["eos_token"], "<|endoftext|>");
  EXPECT_FALSE(tokenizer.contains("split_special_tokens"));
  EXPECT_EQ(json::parse(read_file(path / "config.json"))["eos_token_id"],
            model.tokenizer->end_of_document());
  EXPECT_EQ(load_model(path).tokenizer->identity(), model.tokenizer->identity());
  import_hugging_face(path, directory_ / "run");
  const LoadedModel imported = load_model(directory_ / "run");
  EXPECT_EQ(imported.tokenizer->identity(), model.tokenizer->identity());
  EXPECT_EQ(imported.tokenizer->encode("The state space"),
            model.tokenizer->encode("The state space"));
  EXPECT_EQ(imported.model->config().vocab_size, model.tokenizer->vocab_size());
  EXPECT_EQ(model_info(directory_ / "run").tokenizer_tokens, model.tokenizer->vocab_size());
}

TEST_F(HuggingFace, WeightsInShorterFloatsAreRoundedOnce) {
  const LoadedModel model = byte_model();
  for (const auto& [type, name] :
       {std::pair{SafetensorsType::BF16, "bfloat16"}, std::pair{SafetensorsType::F16, "float16"}}) {
    const fs::path path = directory_ / name;
    export_hugging_face(model, path, {.type = type});
    EXPECT_EQ(json::parse(read_file(path / "config.json"))["torch_dtype"], name);
    const LoadedModel back = load_model(path);
    const auto want = values(*model.model), got = values(*back.model);
    const float unit = type == SafetensorsType::BF16 ? 0x1p-8f : 0x1p-11f;  // half a spacing
    int changed = 0;
    for (std::size_t k = 0; k < want.size(); ++k) {
      for (std::int64_t i = 0; i < want[k].tensor.numel(); ++i) {
        const float a = want[k].tensor.data<float>()[i], b = got[k].tensor.data<float>()[i];
        EXPECT_LE(std::abs(a - b), std::max(std::abs(a) * unit, 0x1p-25f)) << want[k].name;
        changed += a == b ? 0 : 1;
      }
    }
    EXPECT_GT(changed, 100);
    // What has been rounded is not rounded again.
    export_hugging_face(back, directory_ / "again", {.type = type});
    EXPECT_EQ(read_file(directory_ / "again/model.safetensors"),
              read_file(path / "model.safetensors"));
    fs::remove_all(directory_ / "again");
  }
}

TEST_F(HuggingFace, TheOfficialFormHasItsNamesAndAHead) {
  const fs::path path = directory_ / "official";
  export_hugging_face(byte_model(), path, {.style = HuggingFaceStyle::StateSpaces});
  const json config = json::parse(read_file(path / "config.json"));
  EXPECT_EQ(config["vocab_size"], 257);
  EXPECT_EQ(config["pad_vocab_size_multiple"], 8);
  const SafetensorsModel arrays(path);
  ASSERT_NE(arrays.find("backbone.embedding.weight"), nullptr);
  ASSERT_NE(arrays.find("lm_head.weight"), nullptr);
  EXPECT_EQ(arrays.find("lm_head.weight")->shape, Shape({264, 12}));
  EXPECT_EQ(tensor_hash(values(*load_model(path).model)), tensor_hash(values(*byte_model().model)));
}

TEST_F(HuggingFace, ATiedHeadInTheFileMustBeTheEmbedding) {
  const auto with_head = [](float change) {
    return [change](Arrays& arrays) {
      std::vector<float> head;
      for (const SafetensorsOutput& a : arrays) {
        if (!a.name.ends_with("embeddings.weight")) continue;
        head.assign(a.tensor.span<float>().begin(), a.tensor.span<float>().end());
      }
      head[7] += change;
      arrays.push_back({"lm_head.weight", Tensor::from<float>({264, 12}, head)});
    };
  };
  EXPECT_NO_THROW(load_model(exported(with_head(0))));
  expect_bad(exported(with_head(1)), {"lm_head.weight", "ties"});
}

TEST_F(HuggingFace, WeightsThatAreNotThoseOfTheConfigurationAreRefused) {
  expect_bad(exported([](Arrays& a) { a.pop_back(); }), {"lacks the array", "norm_f"});
  expect_bad(exported([](Arrays& a) {
               a.push_back({"extra", Tensor::zeros({1}, DType::F32)});
             }),
             {"'extra'", "lacks"});
  expect_bad(exported([](Arrays& a) { a.back().tensor = Tensor::zeros({13}, DType::F32); }),
             {"norm_f.weight", "(13)", "(12)"});
  expect_bad(exported([](Arrays& a) {
               a.back() = {a.back().name, Tensor::zeros({12}, DType::I32), SafetensorsType::I32};
             }),
             {"norm_f.weight", "I32"});
  expect_bad(exported([](Arrays& a) { a.front().tensor = Tensor::zeros({264}, DType::F32); }),
             {"embedding of shape (264)"});
}

TEST_F(HuggingFace, NoMemoryIsTakenForWeightsThatTheFilesDoNotHave) {
  const auto expect_bad_without_memory = [&](const fs::path& path,
                                             std::initializer_list<std::string_view> parts) {
    const std::uint64_t before = allocator({}).statistics().allocations;
    expect_bad(path, parts);
    EXPECT_EQ(allocator({}).statistics().allocations, before);
  };
  expect_bad_without_memory(exported([](Arrays& a) {
                              for (SafetensorsOutput& array : a) {
                                if (!array.name.ends_with("1.mixer.out_proj.weight")) continue;
                                array.tensor = Tensor::zeros({12, 25}, DType::F32);
                              }
                            }),
                            {"layers.1.mixer.out_proj.weight", "(12, 25)", "(12, 24)"});
  expect_bad_without_memory(exported([](Arrays& a) {
                              a.push_back({"extra", Tensor::zeros({1}, DType::F32)});
                            }),
                            {"'extra'"});
  const fs::path path = exported();
  edit_config(path, [](json& c) { c["num_hidden_layers"] = 4096; });
  expect_bad_without_memory(path, {"lacks the array", "layers.2."});
  edit_config(path, [](json& c) { c["hidden_size"] = 1 << 18, c.erase("intermediate_size"); });
  expect_bad_without_memory(path, {"embedding", "262144"});
}

TEST_F(HuggingFace, TheVocabularyFitsEmbeddingAndTokenizer) {
  fs::path path = exported();
  edit_config(path, [](json& c) { c["vocab_size"] = 260; });  // neither the rows nor padded to them
  expect_bad(path, {"264 rows", "vocab_size 260"});
  edit_config(path, [](json& c) { c["pad_vocab_size_multiple"] = 8; });
  EXPECT_EQ(load_model(path).model->config().vocab_size, 257);  // the tokenizer's
  fs::remove(path / "tokenizer.json");
  expect_error(ErrorKind::MissingInput, {"tokenizer.json", "`tokenizer`"},
               [&] { load_model(path); });
  const LoadedModel bare = load_model(path, {.needs_tokenizer = false});
  EXPECT_EQ(bare.tokenizer, nullptr);
  EXPECT_EQ(bare.model->config().vocab_size, 260);
  EXPECT_EQ(bare.model->config().padded_vocab(), 264);
  EXPECT_EQ(load_model(path, {.tokenizer = "byte"}).model->config().vocab_size, 257);
  path = exported([](Arrays& a) { a.front().tensor = Tensor::zeros({250, 12}, DType::F32); });
  edit_config(path, [](json& c) { c["vocab_size"] = 250; });
  expect_bad(path, {"257 tokens", "250 rows"});
}

TEST_F(HuggingFace, WhatIsMissingIsNamed) {
  const auto expect_missing = [](const fs::path& path,
                                 std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::MissingInput, parts, [&] { load_model(path); });
  };
  const fs::path path = exported();
  expect_error(ErrorKind::MissingInput, {"averaged"},
               [&] { load_model(path, {.weights = CheckpointWeights::Averaged}); });
  const std::string config = read_file(path / "config.json");
  fs::remove(path / "config.json");
  expect_missing(path, {"config.json"});
  write_file_atomic(path / "config.json", config);
  fs::remove(path / "model.safetensors");
  expect_missing(path, {"model.safetensors"});
  write_file_atomic(path / "pytorch_model.bin", "x");
  expect_missing(path, {"pytorch_model.bin", "pickle", "save_file"});
}

TEST_F(HuggingFace, NeitherExportNorImportOverwriteAnything) {
  const fs::path path = exported();
  const std::string before = read_file(path / "model.safetensors");
  expect_error(ErrorKind::Usage, {"not empty"}, [&] { export_hugging_face(byte_model(), path); });
  EXPECT_EQ(read_file(path / "model.safetensors"), before);
  expect_error(ErrorKind::Usage, {"not empty"}, [&] { import_hugging_face(path, path); });
}

TEST_F(HuggingFace, AnImportedModelIsACheckpointWithTokenizerAndConfiguration) {
  const fs::path checkpoint = import_hugging_face(exported(), directory_ / "run");
  EXPECT_TRUE(verify_checkpoint(checkpoint).empty());
  const LoadedModel loaded = load_model(directory_ / "run");
  EXPECT_EQ(loaded.tokenizer->identity(), ByteTokenizer().identity());
  EXPECT_EQ(loaded.config.model.vocab_size, 257);
  EXPECT_EQ(loaded.config.data.sequence_length, 2048);
  EXPECT_EQ(load_config(directory_ / "run/config.yaml").model.d_model, 12);

  const fs::path bare = exported();
  fs::remove(bare / "tokenizer.json");
  import_hugging_face(bare, directory_ / "numbers");
  EXPECT_EQ(load_model(directory_ / "numbers").tokenizer->identity().name, "numbers-264");
}

TEST_F(HuggingFace, ModelInfoTellsWhatIsThereWithoutReadingWeights) {
  const fs::path path = exported();
  const ModelInfo published = model_info(path);
  EXPECT_EQ(published.form, "transformers");
  EXPECT_EQ(published.parameters, byte_model().model->parameter_count());
  EXPECT_EQ(published.tokenizer, "byte");
  EXPECT_EQ(published.tokenizer_tokens, 257);
  EXPECT_EQ(published.arrays.front().name, "backbone.embeddings.weight");
  EXPECT_EQ(published.arrays.front().type, "f32");
  import_hugging_face(path, directory_ / "run");
  const ModelInfo checkpoint = model_info(directory_ / "run");
  EXPECT_EQ(checkpoint.form, "checkpoint");
  EXPECT_EQ(checkpoint.parameters, published.parameters);
  EXPECT_EQ(checkpoint.model.vocab_size, 257);
  EXPECT_EQ(checkpoint.arrays.front().name, "backbone.embedding.weight");
  EXPECT_EQ(checkpoint.arrays.front().shape, Shape({264, 12}));
}

TEST(ByteTokenizerJson, NamesEveryByteByItsId) {
  const json definition = json::parse(byte_tokenizer_json());
  const json& vocab = definition["model"]["vocab"];
  EXPECT_EQ(vocab.size(), 257u);
  std::vector<bool> seen(257);
  for (const auto& [text, id] : vocab.items()) seen.at(id.get<std::size_t>()) = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 257);
  EXPECT_EQ(vocab["A"], 'A');
  EXPECT_EQ(vocab["\u0120"], ' ');  // as in every byte-level vocabulary
  EXPECT_EQ(vocab["\u010a"], '\n');
  EXPECT_EQ(vocab["\u00e9"], 0xe9);
  EXPECT_EQ(vocab["\u0143"], 0xad);  // the last that does not stand for itself
  EXPECT_EQ(vocab["<|endoftext|>"], 256);
  EXPECT_TRUE(definition["added_tokens"].empty());
}

}  // namespace
}  // namespace krait
