#include "train/model/hugging_face/tokenizer.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/files/strict_json.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/make_tokenizer.h"

namespace krait {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kEndOfText = "<|endoftext|>";

/// How `id` is written in a tokenizer.json.
std::string token_text(const json& definition, std::int32_t id) {
  for (const json& token : definition.value("added_tokens", json::array())) {
    if (token.value("id", -1) == id) return token.at("content").get<std::string>();
  }
  for (const auto& [text, value] : definition.at("model").at("vocab").items()) {
    if (value == id) return text;
  }
  throw Error(ErrorKind::BadData, str("the tokenizer.json has no token ", id, "."));
}

}  // namespace

std::string byte_tokenizer_json() {
  ordered_json vocab = ordered_json::object();
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    vocab[to_byte_alphabet({&text, 1})] = byte;
  }
  vocab[kEndOfText] = ByteTokenizer::kEndOfDocument;
  const ordered_json byte_level{{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", false}};
  const ordered_json definition{{"version", "1.0"},
                                {"truncation", nullptr},
                                {"padding", nullptr},
                                {"added_tokens", ordered_json::array()},
                                {"normalizer", nullptr},
                                {"pre_tokenizer", byte_level},
                                {"post_processor", nullptr},
                                {"decoder", byte_level},
                                {"model",
                                 {{"type", "BPE"},
                                  {"dropout", nullptr},
                                  {"unk_token", nullptr},
                                  {"continuing_subword_prefix", nullptr},
                                  {"end_of_word_suffix", nullptr},
                                  {"fuse_unk", false},
                                  {"byte_fallback", false},
                                  {"ignore_merges", false},
                                  {"vocab", vocab},
                                  {"merges", ordered_json::array()}}}};
  return definition.dump(2) + "\n";
}

std::unique_ptr<Tokenizer> load_hugging_face_tokenizer(const std::filesystem::path& file) {
  if (read_file(file, kMaxTokenizerBytes) == byte_tokenizer_json()) return make_tokenizer("byte");
  return make_tokenizer(file.string());
}

TokenizerEnds tokenizer_ends(const Tokenizer& tokenizer) {
  if (tokenizer.definition().empty()) return {.end_of_document = tokenizer.end_of_document()};
  const TokenizerIdentity identity = tokenizer.identity();
  return {identity.end_of_document, identity.prefix_token};
}

std::optional<TokenizerFiles> tokenizer_files(const Tokenizer& tokenizer) {
  TokenizerFiles files{.tokenizer_json = std::string(tokenizer.definition()),
                       .tokenizer_config_json = {}};
  const bool bytes = tokenizer.identity() == ByteTokenizer().identity();
  if (bytes) files.tokenizer_json = byte_tokenizer_json();
  if (files.tokenizer_json.empty()) return {};
  const json definition = parse_strict_json(files.tokenizer_json, "the model's tokenizer.json");
  ordered_json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false}};
  const TokenizerEnds ends = tokenizer_ends(tokenizer);
  if (ends.end_of_document) config["eos_token"] = token_text(definition, *ends.end_of_document);
  if (ends.end_of_document) config["pad_token"] = config["eos_token"];
  if (ends.prefix_token) config["bos_token"] = token_text(definition, *ends.prefix_token);
  // transformers matches special tokens in texts; in those of bytes they are bytes.
  if (bytes) config["split_special_tokens"] = true;
  files.tokenizer_config_json = config.dump(2) + "\n";
  return files;
}

}  // namespace krait
