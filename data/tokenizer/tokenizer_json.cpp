#include "data/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/files/strict_json.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/unicode/characters.h"

namespace krait {
namespace {

using nlohmann::json;

/// Far above any real one; it bounds the search for added tokens.
constexpr std::size_t kMaxAddedTokenBytes = 1024;
/// Of all added tokens: a trie takes some 60 times as much.
constexpr std::size_t kMaxAddedBytes = std::size_t{8} << 20;
/// Ids may leave gaps, but a table by id must not grow out of a number in the file.
constexpr std::size_t kMaxIdSlack = 65536;

constexpr std::string_view kReads =
    "Krait reads byte-level BPE tokenizers such as those of GPT-2, GPT-NeoX and Llama 3";

/// An object in the file, and what it is called in messages.
class Section {
 public:
  Section(const json& value, std::string_view where, std::string name)
      : value_(value), where_(where), name_(std::move(name)) {
    KRAIT_CHECK(BadData, value.is_object(), where_, ": ", shown_name(), " must be an object, got ",
                shown(value), ".");
  }

  const json* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }
  const json& at(const char* key) const {
    const json* found = find(key);
    KRAIT_CHECK(BadData, found != nullptr, where_, ": ", shown_name(), " has no '", key, "'.");
    return *found;
  }
  bool flag(const char* key, bool absent) const {
    const json* found = find(key);
    KRAIT_CHECK(BadData, found == nullptr || found->is_boolean(), where_, ": ", path(key),
                " must be true or false, got ", found == nullptr ? "" : shown(*found), ".");
    return found == nullptr ? absent : found->get<bool>();
  }
  std::string text(const char* key) const {
    const json& found = at(key);
    KRAIT_CHECK(BadData, found.is_string(), where_, ": ", path(key), " must be a string, got ",
                shown(found), ".");
    return found.get<std::string>();
  }
  std::string type() const { return text("type"); }
  const json& array(const char* key) const {
    const json& found = at(key);
    KRAIT_CHECK(BadData, found.is_array(), where_, ": ", path(key), " must be an array, got ",
                shown(found), ".");
    return found;
  }
  Section section(const char* key) const { return {at(key), where_, path(key)}; }
  Section section(const json& value, std::string name) const {
    return {value, where_, std::move(name)};
  }
  std::string path(std::string_view key) const {
    return name_.empty() ? std::string(key) : str(name_, ".", key);
  }
  [[noreturn]] void refuse(std::string_view key, std::string_view got) const {
    throw Error(ErrorKind::BadData,
                str(where_, ": ", path(key), " ", got, " is not supported; ", kReads, "."));
  }
  std::string_view where() const { return where_; }
  /// A text of the file in a message: on one line, not too long.
  static std::string quoted(const std::string& text) {
    constexpr std::size_t kShown = 120;
    const std::string escaped = json(text).dump(-1, ' ', /*ensure_ascii=*/true);
    const std::string_view inside = std::string_view(escaped).substr(1, escaped.size() - 2);
    return str("'", inside.substr(0, kShown), inside.size() > kShown ? "..." : "", "'");
  }
  static std::string shown(const json& value) {
    constexpr std::size_t kShown = 40;
    if (value.is_structured()) return value.is_array() ? "an array" : "an object";
    std::string text = value.dump(-1, ' ', true);
    if (text.size() > kShown) text = text.substr(0, kShown) + "...";
    return text;
  }

 private:
  std::string shown_name() const { return name_.empty() ? "the file" : name_; }

  const json& value_;
  std::string_view where_;
  std::string name_;
};

/// Reads model: the vocabulary and its merges.
class ModelReader {
 public:
  explicit ModelReader(const Section& model) : model_(model), where_(model.where()) {}

  BpeVocabulary read() {
    if (model_.find("type") != nullptr && model_.type() != "BPE") {
      model_.refuse("type", Section::quoted(model_.type()));
    }
    read_tokens();
    for (const json& merge : model_.array("merges")) read_merge(merge);
    vocabulary_.ignore_merges = model_.flag("ignore_merges", false);
    check_rest();
    return vocabulary_;
  }
  /// Of a token as it is written in the file.
  std::optional<std::int32_t> id_of(const std::string& token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) return {};
    return found->second;
  }
  const std::unordered_map<std::string, std::int32_t>& ids() const { return ids_; }

 private:
  void read_tokens() {
    const json& vocab = model_.at("vocab");
    KRAIT_CHECK(BadData, vocab.is_object(), where_, ": model.vocab must be an object, got ",
                Section::shown(vocab), ".");
    const std::size_t most = 2 * vocab.size() + kMaxIdSlack;
    std::vector<bool> taken(most);
    for (const auto& [token, id] : vocab.items()) {
      KRAIT_CHECK(BadData, id.is_number_unsigned() && id.get<std::uint64_t>() < most, where_,
                  ": model.vocab gives ", Section::quoted(token), " the id ", Section::shown(id),
                  ", ids must be 0 to some ", vocab.size(), ".");
      const auto number = id.get<std::size_t>();
      KRAIT_CHECK(BadData, !taken[number], where_, ": model.vocab gives the id ", number,
                  " to two tokens, one is ", Section::quoted(token), ".");
      taken[number] = true;
      ids_.emplace(token, static_cast<std::int32_t>(number));
      // A token that is not written in bytes is made by no merge.
      if (auto bytes = from_byte_alphabet(token)) {
        vocabulary_.tokens.emplace_back(std::move(*bytes), static_cast<std::int32_t>(number));
      }
    }
  }

  void read_merge(const json& merge) {
    std::string left, right;
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      if (text.starts_with("#version")) return;
      const std::size_t blank = text.find(' ');
      if (blank != std::string::npos && text.find(' ', blank + 1) == std::string::npos) {
        left = text.substr(0, blank);
        right = text.substr(blank + 1);
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    }
    const auto first = id_of(left), second = id_of(right), both = id_of(left + right);
    KRAIT_CHECK(BadData, !left.empty() && !right.empty() && first && second && both, where_,
                ": model.merges[", vocabulary_.merges.size(),
                "] must be two tokens of the vocabulary that together are a third, got ",
                Section::shown(merge), ".");
    vocabulary_.merges.push_back({.left = *first, .right = *second, .result = *both});
  }

  /// Fields that change the ids if they are set, which no byte-level model does.
  void check_rest() const {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (model_.find(key) != nullptr && !model_.text(key).empty()) {
        model_.refuse(key, Section::quoted(model_.text(key)));
      }
    }
    if (const json* dropout = model_.find("dropout"); dropout != nullptr && *dropout != 0.0) {
      model_.refuse("dropout", Section::shown(*dropout));
    }
    const auto is_byte = [](const auto& token) { return token.first.size() == 1; };
    if (std::ranges::count_if(vocabulary_.tokens, is_byte) == 256) return;
    if (model_.find("unk_token") != nullptr) {
      model_.refuse("unk_token", "with a vocabulary that lacks bytes");
    }
    if (model_.flag("byte_fallback", false)) {
      model_.refuse("byte_fallback", "with a vocabulary that lacks bytes");
    }
  }

  const Section& model_;
  std::string_view where_;
  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

/// Reads added_tokens. The library numbers them itself: by the vocabulary, or after all others.
class AddedTokensReader {
 public:
  AddedTokensReader(const Section& root, const ModelReader& model) : root_(root), model_(model) {}

  std::vector<AddedToken> read() {
    if (root_.find("added_tokens") == nullptr) return {};
    for (const json& entry : root_.array("added_tokens")) {
      add(root_.section(entry, str("added_tokens[", count_++, "]")));
    }
    std::stable_partition(tokens_.begin(), tokens_.end(),
                          [](const AddedToken& t) { return t.special; });
    return std::move(tokens_);
  }

 private:
  void add(const Section& entry) {
    AddedToken token{.content = entry.text("content"),
                     .special = entry.flag("special", false),
                     .single_word = entry.flag("single_word", false),
                     .lstrip = entry.flag("lstrip", false),
                     .rstrip = entry.flag("rstrip", false)};
    token.normalized = entry.flag("normalized", !token.special);
    if (token.content.empty()) return;
    KRAIT_CHECK(BadData, token.content.size() <= kMaxAddedTokenBytes, root_.where(), ": ",
                entry.path("content"), " has ", token.content.size(), " bytes, more than ",
                kMaxAddedTokenBytes, ".");
    bytes_ += token.content.size();
    KRAIT_CHECK(BadData, bytes_ <= kMaxAddedBytes, root_.where(), ": added_tokens have more than ",
                kMaxAddedBytes, " bytes.");
    token.id = id_of(token.content);
    const json& id = entry.at("id");
    KRAIT_CHECK(BadData, id == token.id, root_.where(), ": ", entry.path("id"), " of ",
                Section::quoted(token.content), " is ", Section::shown(id),
                ", but in this vocabulary it is ", token.id, ".");
    const auto [known, is_new] = by_content_.try_emplace(token.content, token);
    KRAIT_CHECK(BadData, is_new || known->second == token, root_.where(), ": ",
                entry.path("content"), " ", Section::quoted(token.content),
                " is listed twice, with different flags.");
    if (is_new) tokens_.push_back(token);
  }

  std::int32_t id_of(const std::string& content) {
    if (const auto id = model_.id_of(content)) return highest(*id);
    if (const auto known = by_content_.find(content); known != by_content_.end()) {
      return known->second.id;
    }
    return highest(std::max(highest_ + 1, static_cast<std::int32_t>(model_.ids().size())));
  }
  std::int32_t highest(std::int32_t id) {
    highest_ = std::max(highest_, id);
    return id;
  }

  const Section& root_;
  const ModelReader& model_;
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, AddedToken> by_content_;
  std::int32_t highest_ = -1;  // id of an added token so far
  std::size_t count_ = 0, bytes_ = 0;
};

bool reads_nfc(const Section& normalizer, int depth = 0) {
  if (normalizer.type() == "NFC") return true;
  if (normalizer.type() != "Sequence" || depth > 0) {
    normalizer.refuse("type", Section::quoted(normalizer.type()));
  }
  bool nfc = false;
  for (const json& part : normalizer.array("normalizers")) {
    nfc |= reads_nfc(normalizer.section(part, normalizer.path("normalizers[]")), depth + 1);
  }
  return nfc;
}

/// A Split that keeps all of the text: what its pattern matches, which is everything, in pieces.
PreTokenPattern read_split(const Section& split) {
  const Section pattern = split.section("pattern");
  if (pattern.find("Regex") == nullptr) split.refuse("pattern", "without a Regex");
  const auto known = pattern_called(pattern.text("Regex"));
  if (!known) pattern.refuse("Regex", Section::quoted(pattern.text("Regex")));
  const std::string behavior = split.text("behavior");
  const bool invert = split.flag("invert", false);
  if (!(behavior == "Isolated" && !invert) && !(behavior == "Removed" && invert)) {
    split.refuse("behavior", Section::quoted(behavior) + (invert ? ", inverted," : ""));
  }
  return *known;
}

PreTokenizer read_pre_tokenizer(const Section& root) {
  const Section top = root.section("pre_tokenizer");
  std::vector<Section> parts{top};
  if (top.type() == "Sequence") {
    parts.clear();
    for (const json& part : top.array("pretokenizers")) {
      parts.push_back(top.section(part, str("pre_tokenizer.pretokenizers[", parts.size(), "]")));
    }
  }
  if (parts.empty() || parts.back().type() != "ByteLevel") {
    top.refuse("type", Section::quoted(top.type()) + " that does not end with ByteLevel");
  }
  const Section& bytes = parts.back();
  PreTokenizer result{.pattern = bytes.flag("use_regex", true) ? PreTokenPattern::Gpt2
                                                               : PreTokenPattern::Whole};
  if (parts.size() > 1) {
    if (parts[0].type() != "Split") parts[0].refuse("type", Section::quoted(parts[0].type()));
    if (parts.size() > 2 || result.pattern != PreTokenPattern::Whole) {
      top.refuse("pretokenizers", "with more than one that cuts");
    }
    result.pattern = read_split(parts[0]);
  }
  if (bytes.flag("add_prefix_space", true)) {
    result.prefix_space = parts.size() > 1 ? PrefixSpace::BeforePreTokens : PrefixSpace::BeforeText;
  }
  return result;
}

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text, std::string_view where) {
  const json value = parse_strict_json(text, std::string(where));
  const Section root(value, where, "");
  KRAIT_CHECK(BadData, root.find("model") != nullptr, where,
              ": has no 'model', so it is not a tokenizer.json; ", kReads, ".");
  TokenizerJson result;
  const Section model_section = root.section("model");
  ModelReader model(model_section);
  result.vocabulary = model.read();
  result.added_tokens = AddedTokensReader(root, model).read();
  if (root.find("normalizer") != nullptr) result.nfc = reads_nfc(root.section("normalizer"));
  result.pre_tokenizer = read_pre_tokenizer(root);
  const Section decoder = root.section("decoder");
  if (decoder.type() != "ByteLevel") decoder.refuse("type", Section::quoted(decoder.type()));

  const auto set = [&](const std::string& token, std::int32_t id) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= result.token_bytes.size()) result.token_bytes.resize(at + 1);
    result.token_bytes[at] = from_byte_alphabet(token).value_or(token);
  };
  for (const auto& [token, id] : model.ids()) set(token, id);
  std::string buffer;
  for (const AddedToken& token : result.added_tokens) {
    const bool normal = token.normalized && result.nfc;  // it is shown as it is looked for
    set(normal ? std::string(to_nfc(token.content, buffer)) : token.content, token.id);
  }
  return result;
}

}  // namespace krait
