// The YAML boundary: text -> a flat list of scalars with their places.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// Where something stands in a file; lines and columns count from 1, 0 means nowhere.
struct SourcePlace {
  int line = 0;
  int column = 0;
};

struct SourceProblem {
  SourcePlace place;
  std::string message;
};

/// One `key: value` of a mapping. Inner mappings are flattened: {a: {b: 1}} gives "a.b".
struct SourceEntry {
  enum class Kind { Plain, Quoted, Null, List, Mapping };
  std::string name;
  std::string text;  // of a Plain or Quoted scalar
  Kind kind = Kind::Plain;
  SourcePlace key;
  SourcePlace value;  // of a Null: that of the key
};

/// What a YAML text holds, in its order. A Mapping comes before what is in it. Keys that are given
/// twice, aliases, tags and keys that are no scalars are in `problems`; a text that is no YAML
/// gives a problem where reading stopped, and is not `complete`.
struct ConfigSource {
  bool complete = true;
  std::vector<SourceEntry> entries;
  std::vector<SourceProblem> problems;
};

/// Reads `text`: UTF-8, at most 1 MiB, at most one YAML document. Throws nothing.
ConfigSource read_config_source(std::string_view text);

/// Whether `text` is well-formed UTF-8; else `bad` is the offset of the first byte that is not.
bool is_utf8(std::string_view text, std::size_t& bad);

}  // namespace krait
