#include "layers/models/config.h"

#include <array>
#include <charconv>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

using Kinds = std::vector<MixerKind>;

std::string all_kinds() {
  std::string names;
  for (const std::string_view name : kNames<MixerKind>) {
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return names;
}

/// list = item {"," item};  item = (KIND | "(" list ")") ["x" COUNT]
class LayerParser {
 public:
  LayerParser(std::string_view text, TextProblem& problem) : text_(text), problem_(problem) {}

  std::optional<Kinds> parse() {
    auto kinds = list(0);
    if (!kinds) return std::nullopt;
    if (at_ < text_.size()) return fail("expected a comma between layers");
    return kinds;
  }

 private:
  static constexpr int kMostNesting = 8;

  std::optional<Kinds> list(int depth) {
    Kinds all;
    do {
      const auto kinds = item(depth);
      if (!kinds) return std::nullopt;
      if (all.size() + kinds->size() > static_cast<std::size_t>(kMaxLayers)) {
        return fail(str("a model has at most ", kMaxLayers, " layers"));
      }
      all.insert(all.end(), kinds->begin(), kinds->end());
    } while (take(','));
    return all;
  }

  std::optional<Kinds> item(int depth) {
    std::optional<Kinds> kinds;
    if (take('(')) {
      if (depth == kMostNesting) return fail("parentheses are nested too deeply");
      kinds = list(depth + 1);
      if (!kinds) return std::nullopt;
      if (!take(')')) return fail("expected a closing parenthesis");
    } else {
      kinds = kind();
      if (!kinds) return std::nullopt;
    }
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != 'x') return kinds;
    ++at_;
    return repeated(*kinds);
  }

  std::optional<Kinds> kind() {
    skip_blanks();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    const auto found = value_of<MixerKind>(word);
    if (found) return Kinds{*found};
    at_ = start;
    return fail(word.empty() ? "expected a kind of layer: " + all_kinds()
                             : str("'", word, "' is not a kind of layer; use ", all_kinds()));
  }

  std::optional<Kinds> repeated(const Kinds& kinds) {
    std::int64_t count = 0;
    const char* end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data() + at_, end, count);
    if (error != std::errc() || count < 1 || count > kMaxLayers) {
      return fail(str("expected a count from 1 to ", kMaxLayers, " after x"));
    }
    at_ = static_cast<std::size_t>(stop - text_.data());
    Kinds all;
    if (kinds.size() * static_cast<std::size_t>(count) > static_cast<std::size_t>(kMaxLayers)) {
      return fail(str("a model has at most ", kMaxLayers, " layers"));
    }
    for (std::int64_t i = 0; i < count; ++i) all.insert(all.end(), kinds.begin(), kinds.end());
    return all;
  }

  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::nullopt_t fail(std::string message) {
    problem_ = {.offset = at_, .message = std::move(message)};
    return std::nullopt;
  }

  std::string_view text_;
  TextProblem& problem_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Kinds> parse_layers(std::string_view text, TextProblem& problem) {
  return LayerParser(text, problem).parse();
}

Kinds ModelConfig::kinds() const {
  if (layers.empty()) return Kinds(static_cast<std::size_t>(n_layer), MixerKind::Mamba1);
  TextProblem problem;
  const auto kinds = parse_layers(layers, problem);
  KRAIT_CHECK(BadConfig, kinds.has_value(), "model.layers '", layers, "': ", problem.message, ".");
  KRAIT_CHECK(BadConfig, n_layer == 0 || n_layer == static_cast<std::int64_t>(kinds->size()),
              "model.layers names ", kinds->size(), " layers, but model.n_layer is ", n_layer,
              "; leave model.n_layer out.");
  return *kinds;
}

MixerConfig ModelConfig::mixer(MixerKind kind) const {
  return std::array<MixerConfig, kNames<MixerKind>.size()>{mamba1, s4d}.at(
      static_cast<std::size_t>(kind));
}

}  // namespace krait
