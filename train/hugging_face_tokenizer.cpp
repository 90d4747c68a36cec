#include "train/hugging_face_tokenizer.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "data/strict_json.h"

namespace krait {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kMaxTokenizer = 256 << 20;  // far above any real tokenizer.json
constexpr const char* kEndOfText = "<|endoftext|>";

std::string utf8(std::uint32_t code) {  // below 2^11
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

/// The character that stands for each byte in a byte-level BPE: itself where it is printable in
/// Latin-1, else the next of U+0100, U+0101, ... (GPT-2, encoder.py).
std::string byte_character(std::uint32_t byte) {
  const auto printable = [](std::uint32_t b) {
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  };
  if (printable(byte)) return utf8(byte);
  std::uint32_t code = 0x100;
  for (std::uint32_t b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  return utf8(code);
}

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
  for (std::uint32_t byte = 0; byte < 256; ++byte) vocab[byte_character(byte)] = byte;
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
  if (read_file(file, kMaxTokenizer) == byte_tokenizer_json()) return make_tokenizer("byte");
  return make_tokenizer(file.string());
}

std::optional<TokenizerFiles> tokenizer_files(const Tokenizer& tokenizer) {
  TokenizerFiles files{.tokenizer_json = std::string(tokenizer.definition()),
                       .tokenizer_config_json = {}};
  const bool bytes = tokenizer.identity() == ByteTokenizer().identity();
  if (bytes) files.tokenizer_json = byte_tokenizer_json();
  if (files.tokenizer_json.empty()) return {};
  const json definition = parse_strict_json(files.tokenizer_json, "the model's tokenizer.json");
  const std::string end = token_text(definition, tokenizer.end_of_document());
  ordered_json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false},
                      {"eos_token", end},
                      {"pad_token", end}};
  if (tokenizer.prefix_token() != tokenizer.end_of_document()) {
    config["bos_token"] = token_text(definition, tokenizer.prefix_token());
  }
  // transformers matches special tokens in texts; in those of bytes they are bytes.
  if (bytes) config["split_special_tokens"] = true;
  files.tokenizer_config_json = config.dump(2) + "\n";
  return files;
}

}  // namespace krait
