// Which tokens of a tokenizer.json end a document and precede a text.
#include <array>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/tokenizer/bpe_tokenizer.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 20;  // it repeats all added tokens

constexpr std::array<std::string_view, 9> kEnds{"<|endoftext|>", "<|end_of_text|>", "</s>",
                                                "<eos>",         "<|eos|>",         "<|eot_id|>",
                                                "<|im_end|>",    "<|end|>",         "[EOS]"};
constexpr std::array<std::string_view, 5> kBegins{"<|begin_of_text|>", "<|startoftext|>", "<s>",
                                                  "<bos>", "[BOS]"};

/// The file's bos_token and eos_token.
struct TokenizerConfig {
  std::string bos, eos;  // empty: none
};

/// A token is written as its text or as an object that has it.
std::string token_text(const json& config, const char* key, const fs::path& file) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  const json& text =
      found->is_object() && found->contains("content") ? (*found)["content"] : *found;
  KRAIT_CHECK(BadData, text.is_string(), "'", file.string(), "': ", key,
              " must be a string or an object with a string 'content'.");
  return text.get<std::string>();
}

std::optional<TokenizerConfig> read_config(const fs::path& file) {
  if (!path_exists(file)) return {};
  const json config = json::parse(read_file(file, kMaxConfigBytes), nullptr, false);
  KRAIT_CHECK(BadData, config.is_object(), "'", file.string(), "' is not a JSON object.");
  return TokenizerConfig{.bos = token_text(config, "bos_token", file),
                         .eos = token_text(config, "eos_token", file)};
}

/// Finds the ends of a tokenizer whose file was read.
class EndFinder {
 public:
  EndFinder(const BpeTokenizer& tokenizer, const fs::path& directory)
      : tokenizer_(tokenizer),
        file_(directory / "tokenizer_config.json"),
        config_(read_config(file_)) {}

  std::optional<std::int32_t> end_of_document(std::string_view chosen) const {
    if (!chosen.empty()) {
      const auto id = tokenizer_.token_called(chosen);
      KRAIT_CHECK(Usage, id.has_value(), "the tokenizer has no token '", chosen,
                  "' to end a document with; name one that it has.");
      return id;
    }
    if (config_ && !config_->eos.empty()) return named(config_->eos, "eos_token");
    return first_of(kEnds);
  }
  std::optional<std::int32_t> prefix_token() const {
    if (!config_) return first_of(kBegins);
    if (config_->bos.empty()) return {};
    return named(config_->bos, "bos_token");
  }

 private:
  std::optional<std::int32_t> named(const std::string& text, const char* key) const {
    const auto id = tokenizer_.token_called(text);
    KRAIT_CHECK(BadData, id.has_value(), "'", file_.string(), "': ", key, " is '", text,
                "', which the tokenizer.json beside it does not have.");
    return id;
  }
  template <std::size_t kCount>
  std::optional<std::int32_t> first_of(const std::array<std::string_view, kCount>& names) const {
    for (const std::string_view name : names) {
      if (const auto id = tokenizer_.added_token_called(name)) return id;
    }
    return {};
  }

  const BpeTokenizer& tokenizer_;
  fs::path file_;
  std::optional<TokenizerConfig> config_;
};

}  // namespace

std::unique_ptr<Tokenizer> load_bpe_tokenizer(const fs::path& path,
                                              std::string_view end_of_document) {
  const fs::path file = directory_exists(path) ? path / "tokenizer.json" : path;
  auto tokenizer = std::make_unique<BpeTokenizer>(read_file(file, kMaxTokenizerBytes),
                                                  "'" + file.string() + "'", BpeTokenizer::Ends{});
  const EndFinder finder(*tokenizer, file.parent_path());
  tokenizer->set_ends({.end_of_document = finder.end_of_document(end_of_document),
                       .prefix_token = finder.prefix_token()});
  return tokenizer;
}

}  // namespace krait
