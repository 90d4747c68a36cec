// The only file that includes yaml-cpp. Its events are used, not its nodes: nodes drop duplicate
// keys and follow aliases without saying so.
#include "train/config/source.h"

#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace krait {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

SourcePlace place_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// Flattens the events of one document. In a frame that is `ignored` (a list, or below a key that
/// is not a scalar) only the depth is followed.
class Flattener : public YAML::EventHandler {
 public:
  explicit Flattener(ConfigSource& out) : out_(out) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) report(mark, "only one YAML document ('---') is read");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    take(mark, SourceEntry::Kind::Null, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    take(mark, SourceEntry::Kind::Null, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    // yaml-cpp's tags without a user's tag: "!" for quoted and block scalars, "?" for plain ones.
    take(mark, tag == "!" ? SourceEntry::Kind::Quoted : SourceEntry::Kind::Plain, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    check(mark, tag, anchor);
    take(mark, SourceEntry::Kind::List, "");
    frames_.push_back({.ignored = true});
  }
  void OnSequenceEnd() override { frames_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    check(mark, tag, anchor);
    frames_.push_back(take(mark, SourceEntry::Kind::Mapping, ""));
  }
  void OnMapEnd() override { frames_.pop_back(); }

 private:
  struct Frame {
    std::string prefix;
    bool ignored = false;
    bool has_key = false;  // the next value belongs to `key`
    bool bad_key = false;
    std::string key;
    SourcePlace key_place;
  };

  void report(const YAML::Mark& mark, std::string message) {
    out_.problems.push_back({place_of(mark), std::move(message)});
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) report(mark, "anchors and aliases are not supported; write the value out");
    if (!tag.empty() && tag != "?" && tag != "!") {
      report(mark, "tags are not supported; remove '" + tag.substr(0, 60) + "'");
    }
  }

  // Takes the next node, a key or a value; returns the frame that it opens if it is a mapping.
  Frame take(const YAML::Mark& mark, SourceEntry::Kind kind, const std::string& text) {
    const Frame nothing{.ignored = true};
    if (documents_ > 1) return nothing;
    if (frames_.empty()) {
      if (kind == SourceEntry::Kind::Mapping) return {};
      if (kind != SourceEntry::Kind::Null) {
        report(mark, "must be a mapping of sections such as 'run:' and 'model:'");
      }
      return nothing;
    }
    Frame& top = frames_.back();
    if (top.ignored) return nothing;
    if (!top.has_key) {
      top.has_key = true;
      top.bad_key = kind != SourceEntry::Kind::Plain && kind != SourceEntry::Kind::Quoted;
      top.key = text;
      top.key_place = place_of(mark);
      if (top.bad_key) report(mark, "keys must be plain names");
      return nothing;
    }
    top.has_key = false;
    if (top.bad_key) return nothing;
    const std::string name = top.prefix + top.key;
    const SourcePlace key = top.key_place;
    const auto [first, inserted] = seen_.emplace(name, key.line);
    if (!inserted) {
      out_.problems.push_back({key, "duplicate key " + name.substr(0, 80) +
                                        "; first given on line " + std::to_string(first->second)});
      return nothing;
    }
    // yaml-cpp gives a missing value the place of what follows it.
    const SourcePlace value = kind == SourceEntry::Kind::Null ? key : place_of(mark);
    out_.entries.push_back({name, text, kind, key, value});
    return {.prefix = name + "."};
  }

  ConfigSource& out_;
  std::vector<Frame> frames_;
  std::map<std::string, int> seen_;  // name -> line
  int documents_ = 0;
};

/// The place of byte `offset`.
SourcePlace place_at(std::string_view text, std::size_t offset) {
  SourcePlace place{1, 1};
  for (const char c : text.substr(0, offset)) {
    ++place.column;
    if (c == '\n') place = {place.line + 1, 1};
  }
  return place;
}

/// The first control character that is no white space; yaml-cpp takes some for the end of the text.
std::size_t find_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return i;
  }
  return std::string_view::npos;
}

}  // namespace

bool is_utf8(std::string_view text, std::size_t& bad) {
  for (std::size_t i = 0; i < text.size();) {
    bad = i;
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                    ? 1
                               : lead >= 0xc2 && lead <= 0xdf ? 2
                               : lead >= 0xe0 && lead <= 0xef ? 3
                               : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                              : 0;
    if (length == 0 || i + length > text.size()) return false;
    std::uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0u) != 0x80u) return false;
      code = (code << 6) | (byte & 0x3fu);
    }
    const bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (too_long || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

ConfigSource read_config_source(std::string_view text) {
  ConfigSource source;
  std::size_t bad = 0;
  if (text.size() > kMaxBytes) {
    source.problems.push_back({{1, 1}, "is larger than 1 MiB; it is not a configuration"});
  } else if (!is_utf8(text, bad)) {
    source.problems.push_back({place_at(text, bad), "is not UTF-8 text"});
  } else if (const std::size_t control = find_control(text); control != std::string_view::npos) {
    source.problems.push_back({place_at(text, control), "contains a control character"});
  }
  source.complete = source.problems.empty();
  if (!source.complete) return source;

  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Flattener flattener(source);
    if (parser.HandleNextDocument(flattener)) parser.HandleNextDocument(flattener);
  } catch (const YAML::DeepRecursion& error) {
    source.complete = false;
    source.problems.push_back({place_of(error.mark), "is nested too deeply"});
  } catch (const YAML::Exception& error) {
    source.complete = false;
    const SourcePlace place = error.mark.is_null() ? SourcePlace{1, 1} : place_of(error.mark);
    source.problems.push_back({place, "is not YAML: " + error.msg});
  }
  return source;
}

}  // namespace krait
