// File and overrides -> Config, with every mistake in one error.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"
#include "core/system/file.h"
#include "train/config/nearest_name.h"
#include "train/config/schema.h"
#include "train/config/source.h"

namespace krait {
namespace {

constexpr std::size_t kShownProblems = 40;
constexpr std::size_t kShownName = 80;

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Field& field : config_fields()) {
    if (names.empty() || names.back() != field.section()) names.emplace_back(field.section());
  }
  return names;
}

bool is_section(std::string_view name) {
  const auto names = section_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What a user may have meant by a key that does not exist.
std::string suggestion(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view key = dot == std::string_view::npos ? name : name.substr(dot + 1);
  std::vector<std::string> names;
  std::vector<std::string> same_section;
  for (const Field& field : config_fields()) {
    if (field.key() == key) return "; did you mean " + field.name + "?";
    names.push_back(field.name);
    if (name.starts_with(std::string(field.section()) + ".")) {
      same_section.emplace_back(field.key());
    }
  }
  for (const std::string& section : section_names()) names.push_back(section);
  if (const std::string nearest = nearest_name(name, names); !nearest.empty()) {
    return "; did you mean " + nearest + "?";
  }
  if (!same_section.empty()) {
    return fmt::format("; {} has {}", name.substr(0, name.find('.')),
                       fmt::join(same_section, ", "));
  }
  return fmt::format("; the sections are {}", fmt::join(section_names(), ", "));
}

class ConfigReader {
 public:
  explicit ConfigReader(std::string source) : source_(std::move(source)) {}

  void read(std::string_view text) {
    text_ = text;
    const ConfigSource source = read_config_source(text);
    complete_ = source.complete;
    for (const SourceProblem& problem : source.problems) report(problem.place, problem.message);
    for (const SourceEntry& entry : source.entries) read_entry(entry);
  }

  void apply(const std::string& override_text) {
    const std::string shown = fmt::format("override '{}'", override_text.substr(0, kShownName));
    const std::size_t equals = override_text.find('=');
    std::size_t bad = 0;
    if (equals == std::string::npos || !is_utf8(override_text, bad)) {
      return report_override(shown, "must be UTF-8 of the form section.field=value");
    }
    const std::string name = override_text.substr(0, equals);
    const Field* field = find_field(name);
    if (field == nullptr) {
      const bool section = is_section(name);
      return report_override(shown, section ? name + " is a section; name one of its fields"
                                            : "unknown key" + suggestion(name));
    }
    if (!overridden_.insert(name).second) return report_override(shown, "is given twice");
    std::string problem;
    const auto value = parse_field(*field, std::string_view(override_text).substr(equals + 1),
                                   /*quoted=*/false, problem);
    if (!value) {
      bad_.insert(field->name);
      return report_override(shown, "the value " + problem);
    }
    field->set(config_, *value);
    places_[field->name] = {{}, shown};
  }

  Config finish() {
    // A text that broke off cannot be blamed for what it does not hold.
    if (complete_) report_missing();
    for (const ConfigRule& rule : config_rules()) check_rule(rule);
    if (problems_.empty()) return config_;
    std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
    std::string message;
    for (std::size_t i = 0; i < std::min(problems_.size(), kShownProblems); ++i) {
      message += (i == 0 ? "" : "\n") + problems_[i].message;
    }
    if (problems_.size() > kShownProblems) {
      message += fmt::format("\n{}: {} more mistakes", source_, problems_.size() - kShownProblems);
    }
    throw Error(ErrorKind::BadConfig, message);
  }

 private:
  struct Problem {
    SourcePlace place;  // for the order; overrides come last
    std::string message;
  };
  struct Origin {
    SourcePlace place;
    std::string override_text;  // empty for a value from the file
  };

  void report(SourcePlace place, std::string_view message) {
    problems_.push_back(
        {place, fmt::format("{}:{}:{}: {}", source_, place.line, place.column, message)});
  }
  void report_override(const std::string& shown, const std::string& message) {
    problems_.push_back({{1 << 30, 0}, shown + ": " + message});
  }

  void read_entry(const SourceEntry& entry) {
    if (!ignored_.empty() && entry.name.starts_with(ignored_)) return;
    using Kind = SourceEntry::Kind;
    if (is_section(entry.name)) {
      sections_[entry.name] = entry.key;
      if (entry.kind != Kind::Mapping && entry.kind != Kind::Null) {
        report(entry.value, entry.name + " is a section; its fields go below it, indented");
      }
      return;
    }
    const Field* field = find_field(entry.name);
    if (entry.kind == Kind::Mapping) ignored_ = entry.name + ".";
    if (field == nullptr) {
      return report(entry.key,
                    "unknown key " + entry.name.substr(0, kShownName) + suggestion(entry.name));
    }
    places_[field->name] = {entry.value, ""};
    std::string problem;
    std::optional<FieldValue> value;
    switch (entry.kind) {
      case Kind::Null:
        problem = "has no value";
        break;
      case Kind::List:
        problem = "must be " + field->type_name() + ", got a list";
        break;
      case Kind::Mapping:
        problem = "must be " + field->type_name() + ", got a mapping";
        break;
      case Kind::Plain:
      case Kind::Quoted:
        value = parse_field(*field, entry.text, entry.kind == Kind::Quoted, problem);
    }
    if (value) return field->set(config_, *value);
    bad_.insert(field->name);
    report(place_of_problem(*field, entry), field->name + " " + problem);
  }

  // The place inside the value that the field's own check points at, if the value stands in the
  // file as it is read: on one line, without escapes.
  SourcePlace place_of_problem(const Field& field, const SourceEntry& entry) const {
    const bool quoted = entry.kind == SourceEntry::Kind::Quoted;
    if (field.check == nullptr || (!quoted && entry.kind != SourceEntry::Kind::Plain)) {
      return entry.value;
    }
    const auto problem = field.check(entry.text);
    std::string_view rest = text_;
    for (int line = 1; line < entry.value.line; ++line) {
      rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));  // npos + 1 is 0
    }
    const std::size_t begin = static_cast<std::size_t>(entry.value.column - 1) + (quoted ? 1 : 0);
    if (!problem || begin > rest.size() || !rest.substr(begin).starts_with(entry.text)) {
      return entry.value;
    }
    return {entry.value.line, static_cast<int>(begin + problem->offset) + 1};
  }

  /// Where the section of a field begins; the start of the file when it is not there.
  SourcePlace place_of_section(const Field& field) const {
    const auto section = sections_.find(std::string(field.section()));
    return section == sections_.end() ? SourcePlace{1, 1} : section->second;
  }

  void report_missing() {
    for (const Field& field : config_fields()) {
      if (!field.required || places_.count(field.name) != 0 || bad_.count(field.name) != 0)
        continue;
      bad_.insert(field.name);
      report(place_of_section(field), fmt::format("{} is missing ({})", field.name, field.help));
    }
  }

  void check_rule(const ConfigRule& rule) {
    const Origin* blamed = nullptr;
    for (const std::string_view name : rule.fields) {
      if (bad_.count(std::string(name)) != 0) return;
      const auto origin = places_.find(std::string(name));
      const bool required = find_field(name)->required;
      if (origin == places_.end()) {
        if (required) return;
      } else if (blamed == nullptr) {
        blamed = &origin->second;
      }
    }
    const std::string problem = rule.problem(config_);
    if (problem.empty()) return;
    const std::string message = std::string(rule.fields.front()) + " " + problem;
    if (blamed == nullptr)
      return report(place_of_section(*find_field(rule.fields.front())), message);
    if (!blamed->override_text.empty()) return report_override(blamed->override_text, message);
    report(blamed->place, message);
  }

  std::string source_;
  std::string_view text_;  // of the file
  Config config_;
  bool complete_ = true;
  std::vector<Problem> problems_;
  std::map<std::string, Origin> places_;         // fields that were given
  std::map<std::string, SourcePlace> sections_;  // sections that were given
  std::set<std::string> bad_;                    // fields already reported
  std::set<std::string> overridden_;
  std::string ignored_;  // prefix of what is inside a mapping that should not be there
};

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string read_limited(const std::filesystem::path& path) {
  constexpr std::size_t kMostBytes = (std::size_t{1} << 20) + 1;  // one more than is accepted
  std::error_code ignored;
  KRAIT_CHECK(BadConfig, !std::filesystem::is_directory(path, ignored), path.string(),
              " is a directory; give the YAML file in it.");
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rb"));
  if (!file) throw_io_error("read the configuration", path, errno);
  std::string text(kMostBytes, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  KRAIT_CHECK(Io, std::ferror(file.get()) == 0, "cannot read the configuration ", path.string(),
              ".");
  return text;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& source,
                    const std::vector<std::string>& overrides) {
  ConfigReader reader(source);
  reader.read(text);
  for (const std::string& override_text : overrides) reader.apply(override_text);
  return reader.finish();
}

Device resolve_device(const Config& config) {
  const Device device = resolve_device(config.run.device);
  const std::string obstacle = obstacle_to_precision(device, config.train.precision);
  KRAIT_CHECK(BadConfig, obstacle.empty(), "train.precision ", obstacle,
              "; set train.precision=f32.");
  return device;
}

Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  return parse_config(read_limited(path), path.string(), overrides);
}

}  // namespace krait
