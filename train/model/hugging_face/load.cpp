#include "train/model/hugging_face/load.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/system/file.h"
#include "data/tokenizer/make_tokenizer.h"
#include "train/model/hugging_face/tokenizer.h"
#include "train/model/model_config.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfig = 1 << 20;  // far above any real config.json
constexpr std::int64_t kWindow = 2048;       // what papers evaluate Mamba at
constexpr std::string_view kEmbedding = "backbone.embedding.weight";
constexpr std::string_view kHead = "lm_head.weight";

std::string shown(const fs::path& path) {
  return "'" + path.string() + "'";
}

/// Krait's name of an array: both published namings differ from it in one name at most.
std::string krait_name(const std::string& name) {
  return name == "backbone.embeddings.weight" ? std::string(kEmbedding) : name;
}

/// The arrays of a model by Krait's names.
class Weights {
 public:
  explicit Weights(const fs::path& directory) : directory_(directory), model_(directory) {
    for (const SafetensorsArray& a : model_.arrays()) {
      KRAIT_CHECK(BadData, arrays_.emplace(krait_name(a.name), &a).second, shown(directory),
                  " holds the embedding twice, as backbone.embedding and backbone.embeddings.");
    }
  }

  const SafetensorsArray& at(const std::string& name) const {
    const auto found = arrays_.find(name);
    KRAIT_CHECK(BadData, found != arrays_.end(), shown(directory_), " lacks the array '", name,
                "', which a model of its config.json has.");
    return *found->second;
  }
  /// Throws unless these are exactly the arrays of a model of that configuration, in its shapes.
  void require_model(const ModelConfig& config) const {
    const ShapesOnlyScope no_memory;
    const LanguageModel model(config);
    std::set<std::string> known;
    for (const Parameter& p : model.parameters()) {
      const SafetensorsArray& a = at(p.name);
      KRAIT_CHECK(BadData, a.shape == p.shape(), shown(directory_), " holds '", a.name,
                  "' of shape ", a.shape, "; the model of its config.json has ", p.shape(), ".");
      known.insert(p.name);
    }
    if (config.tie_embeddings) {
      check_tied_head();
      known.insert(std::string(kHead));
    }
    for (const auto& [name, array] : arrays_) {
      KRAIT_CHECK(BadData, known.contains(name), shown(directory_), " holds the array '",
                  array->name, "', which the model of its config.json lacks.");
    }
  }
  void read_into(const LanguageModel& model) const {
    for (const Parameter& p : model.parameters()) read_floats(at(p.name), p.variable.value());
  }

 private:
  /// The array of a tied head may be there as well, if it is the embedding.
  void check_tied_head() const {
    const auto head = arrays_.find(std::string(kHead));
    if (head == arrays_.end()) return;
    const SafetensorsArray& embedding = at(std::string(kEmbedding));
    const auto same = [](const SafetensorsArray& a, const SafetensorsArray& b) {
      return a.type == b.type && a.shape == b.shape &&
             std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
    };
    KRAIT_CHECK(BadData, same(*head->second, embedding), shown(directory_),
                ": config.json ties the embeddings, but lm_head.weight is not the embedding.");
  }

  fs::path directory_;
  SafetensorsModel model_;
  std::map<std::string, const SafetensorsArray*> arrays_;
};

void require_files(const fs::path& directory) {
  KRAIT_CHECK(MissingInput, path_exists(directory / "config.json"), "there is no config.json in ",
              shown(directory), "; it says what model the weights beside it are.");
  if (has_safetensors(directory)) return;
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    KRAIT_CHECK(
        MissingInput, !path_exists(directory / name), shown(directory), " holds ", name,
        ", a pickle, which can run code when it is read, so Krait does not read it. Convert it, "
        "for example in Python with safetensors.torch.save_file(torch.load('pytorch_model.bin', "
        "weights_only=True), 'model.safetensors').");
  }
  throw Error(ErrorKind::MissingInput, str("there is neither model.safetensors nor "
                                           "model.safetensors.index.json in ",
                                           shown(directory), "."));
}

/// The smallest multiple that pads a vocabulary to so many rows.
std::int64_t padding_multiple(std::int64_t vocab, std::int64_t rows) {
  std::int64_t multiple = rows - vocab + 1;
  while (rows % multiple != 0) ++multiple;
  return multiple;
}

/// Sets the model's vocabulary and padding so that the embedding has the rows of the file.
void set_vocabulary(ModelConfig& model, std::int64_t rows, const Tokenizer* tokenizer,
                    const fs::path& directory) {
  const ModelConfig declared{.vocab_size = model.vocab_size,
                             .pad_vocab_multiple = model.pad_vocab_multiple};
  KRAIT_CHECK(BadData, rows == model.vocab_size || rows == declared.padded_vocab(),
              shown(directory), " has an embedding of ", rows, " rows, but vocab_size ",
              model.vocab_size, " in config.json.");
  if (tokenizer != nullptr) {
    KRAIT_CHECK(BadData, tokenizer->vocab_size() <= rows, "the tokenizer '",
                tokenizer->identity().name, "' has ", tokenizer->vocab_size(),
                " tokens, but the model in ", shown(directory), " an embedding of ", rows,
                " rows; use the model's own tokenizer.");
    model.vocab_size = tokenizer->vocab_size();
  }
  model.pad_vocab_multiple = padding_multiple(model.vocab_size, rows);
}

/// The tokenizer that the options name, or the one in the directory.
std::unique_ptr<Tokenizer> find_tokenizer(const fs::path& directory,
                                          const LoadModelOptions& options) {
  if (!options.tokenizer.empty()) return make_tokenizer(options.tokenizer.string());
  const fs::path file = directory / "tokenizer.json";
  if (path_exists(file)) return load_hugging_face_tokenizer(file);
  KRAIT_CHECK(MissingInput, !options.needs_tokenizer, "there is no tokenizer.json in ",
              shown(directory), "; put the model's there, or name one (`tokenizer`).");
  return nullptr;
}

}  // namespace

bool is_hugging_face_directory(const fs::path& path) {
  if (!directory_exists(path) || path_exists(path / "manifest.json")) return false;
  return path_exists(path / "config.json") || has_safetensors(path);
}

HuggingFaceConfig read_hugging_face_config(const fs::path& directory) {
  require_files(directory);
  const fs::path file = directory / "config.json";
  return parse_hugging_face_config(read_file(file, kMaxConfig), shown(file));
}

LoadedModel load_hugging_face(const fs::path& directory, const LoadModelOptions& options) {
  const HuggingFaceConfig published = read_hugging_face_config(directory);
  KRAIT_CHECK(
      MissingInput, options.weights == CheckpointWeights::Trained, shown(directory),
      " is a published model, which has no averaged weights; take the trained ones (`weights`).");
  LoadedModel loaded{.path = directory};
  loaded.tokenizer = find_tokenizer(directory, options);
  const Weights weights(directory);

  Config& config = loaded.config;
  config.model = published.model;
  config.data.sequence_length = kWindow;
  config.train.precision = published.dtype == "bfloat16" ? Precision::Bf16 : Precision::F32;
  const Shape& embedding = weights.at(std::string(kEmbedding)).shape;
  KRAIT_CHECK(BadData, embedding.rank() == 2 && embedding[0] > 0, shown(directory),
              " has an embedding of shape ", embedding, ".");
  set_vocabulary(config.model, embedding[0], loaded.tokenizer.get(), directory);

  loaded.precision =
      options.precision.value_or(usable_precision(options.device, config.train.precision));
  const ModelConfig model = model_config(config.model, config.model.vocab_size, loaded.precision);
  weights.require_model(model);  // before memory is taken for what config.json says
  loaded.model = std::make_unique<LanguageModel>(model);
  weights.read_into(*loaded.model);
  loaded.model->place(options.device);
  return loaded;
}

}  // namespace krait
