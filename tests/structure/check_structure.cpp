// Checks that the source tree keeps to the plan (tests/structure/rules.cpp): which folder and which
// room includes which, no circles between units, which external headers are used where, sizes and
// names of files and rooms, a test for each kernel, no flags in messages of the library.
//   check_structure ROOT          checks a tree; prints every fault, leaves with 1 if there is one
//   check_structure --self-test   makes small trees with one fault each and expects it to be found
#include "tests/structure/check_structure.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/structure/rules.h"

namespace krait {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // relative to the root, with '/'
  std::vector<std::string> lines;
  std::string folder() const { return path.substr(0, path.find('/')); }
  std::string extension() const { return fs::path(path).extension(); }
};

/// The folder that a file lies in, and the file without its extension: a header and its source are
/// one unit.
std::string room_of(const fs::path& path) {
  return path.parent_path().generic_string();
}
std::string unit_of(fs::path path) {
  return path.replace_extension().generic_string();
}

bool starts_with_any(std::string_view text, const Names& prefixes) {
  return std::ranges::any_of(prefixes, [&](auto prefix) { return text.starts_with(prefix); });
}
bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}
const Folder* find_folder(std::string_view name) {
  const auto found = std::ranges::find(kFolders, name, &Folder::name);
  return found == kFolders.end() ? nullptr : &*found;
}
const Room* find_room(std::string_view path) {
  const auto found = std::ranges::find(kRooms, path, &Room::path);
  return found == kRooms.end() ? nullptr : &*found;
}
bool may_include(const Room& room, const std::string& other) {
  return room.path == other || std::ranges::any_of(room.may_include, [&](std::string_view allowed) {
           return allowed.ends_with('/') ? (other + "/").starts_with(allowed) : other == allowed;
         });
}

std::vector<Source> read_sources(const fs::path& root) {
  static const Names extensions{".h", ".hpp", ".cuh", ".cpp", ".cc", ".cu"};
  std::vector<Source> sources;
  for (const Folder& folder : kFolders) {
    if (!fs::exists(root / folder.name)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder.name)) {
      if (!entry.is_regular_file() || !contains(extensions, entry.path().extension().string())) {
        continue;
      }
      Source source{.path = entry.path().lexically_relative(root).generic_string(), .lines = {}};
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) source.lines.push_back(line);
      sources.push_back(std::move(source));
    }
  }
  std::ranges::sort(sources, {}, &Source::path);
  return sources;
}

/// A preprocessor line: "#  if X" is {"if", "X"}.
struct Directive {
  std::string_view name, argument;
};
std::optional<Directive> parse_directive(std::string_view line) {
  const auto skip_spaces = [&] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  skip_spaces();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  const std::size_t end = std::min(line.find_first_of(" \t<\"("), line.size());
  const std::string_view name = line.substr(0, end);
  line.remove_prefix(end);
  skip_spaces();
  return Directive{name, line};
}

/// Whether a string literal of the line has a word such as --max-length.
bool names_flag(std::string_view line) {
  bool quoted = false;
  for (std::size_t i = 0; i + 2 < line.size(); ++i) {
    if (!quoted && line.substr(i, 2) == "//") return false;
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"' && line.substr(i - std::min<std::size_t>(i, 1), 3) != "'\"'") {
      quoted = !quoted;
    } else if (quoted && line.substr(i, 2) == "--" && line[i + 2] >= 'a' && line[i + 2] <= 'z') {
      return true;
    }
  }
  return false;
}

class Checker {
 public:
  explicit Checker(const fs::path& root) : root_(root), sources_(read_sources(root)) {}

  /// All faults, each "path:line: what is wrong".
  const std::vector<std::string>& run() {
    for (const Source& source : sources_) {
      check_name(source);
      check_place(source);
      check_lines(source);
      if (source.folder() == "kernels") check_operation(source);
    }
    check_sizes();
    check_rooms();
    check_circles();
    return faults_;
  }
  std::string summary() const {
    std::string text;
    for (const auto& [room, one] : rooms_) {
      std::string line = room;
      line.resize(std::max<std::size_t>(line.size(), 30), ' ');
      text += line + std::to_string(one.units.size()) + " units, " + std::to_string(one.files) +
              " files, " + std::to_string(one.lines) + " lines, includes " +
              std::to_string(one.includes.size()) + " rooms\n";
    }
    return text + std::to_string(sources_.size()) + " files, median " +
           std::to_string(quantile(0.5)) + " lines, 90 % of them at most " +
           std::to_string(quantile(0.9)) + ", longest " + std::to_string(quantile(1));
  }

 private:
  void fault(const Source& source, std::size_t line, const std::string& what) {
    faults_.push_back(source.path + ":" + std::to_string(line) + ": " + what);
  }

  void check_name(const Source& source) {
    for (const fs::path& part : fs::path(source.path)) {
      const std::string stem = part.stem();
      for (std::size_t begin = 0; begin <= stem.size();) {
        const std::size_t end = std::min(stem.find('_', begin), stem.size());
        if (const auto word = stem.substr(begin, end - begin); contains(kBannedWords, word)) {
          fault(source, 1, "'" + word + "' says nothing: name the file after what it does");
        }
        begin = end + 1;
      }
      if (part.string().find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") !=
          std::string::npos) {
        fault(source, 1, "file names are snake_case");
      }
    }
    if (!contains({".h", ".cpp", ".cu", ".cuh"}, source.extension())) {
      fault(source, 1, "sources end in .h, .cpp, .cu or .cuh");
    }
  }

  void check_place(const Source& source) {
    const bool device_code = source.extension() == ".cu" || source.extension() == ".cuh";
    if (device_code && !starts_with_any(source.path, kDeviceCode)) {
      fault(source, 1, "device code belongs into core/cuda or kernels/cuda");
    }
    const auto slash = source.path.find('/', sizeof("tests"));
    if (source.folder() == "tests" && slash != std::string::npos) {
      const std::string tested = source.path.substr(sizeof("tests"), slash - sizeof("tests"));
      if (contains(kTestFolders, tested)) return;
      const std::string mirrored = room_of(source.path.substr(sizeof("tests")));
      if (tested == "tests" || find_folder(tested) == nullptr || !fs::exists(root_ / mirrored)) {
        fault(source, 1, "tests mirror the tree: there is no folder " + mirrored);
      } else if (source.extension() == ".cpp" && !source.path.ends_with("_test.cpp")) {
        fault(source, 1, "only *_test.cpp is compiled here");
      }
    }
  }

  void check_lines(const Source& source) {
    bool once = source.extension() != ".h" && source.extension() != ".cuh";
    for (std::size_t i = 0; i < source.lines.size(); ++i) {
      std::string line = source.lines[i];
      if (line.find('\t') != std::string::npos) fault(source, i + 1, "a tab: indent with spaces");
      if (!contains(kFlagUsers, source.folder()) && names_flag(line)) {
        fault(source, i + 1, "a flag in a message: name the option, like `max_length`");
      }
      for (std::size_t next = i + 1; line.ends_with('\\') && next < source.lines.size(); ++next) {
        line.pop_back();
        line += source.lines[next];
      }
      const auto directive = parse_directive(line);
      if (!directive) continue;
      once = once || (directive->name == "pragma" && directive->argument.starts_with("once"));
      if (directive->name == "include") check_include(source, i + 1, directive->argument);
      if (contains({"if", "ifdef", "ifndef", "elif", "elifdef", "elifndef"}, directive->name) &&
          directive->argument.find("KRAIT_CUDA") != std::string_view::npos &&
          source.path != "core/device.h") {
        fault(source, i + 1, "#if on KRAIT_CUDA: use `if constexpr (kCudaEnabled)`");
      }
    }
    if (!once) fault(source, 1, "a header needs #pragma once");
  }

  void check_include(const Source& source, std::size_t line, std::string_view argument) {
    if (argument.size() < 2 || (argument[0] != '"' && argument[0] != '<')) return;
    const std::string header(argument.substr(1, argument.find_first_of("\">", 1) - 1));
    const std::string extension = fs::path(header).extension();
    if (extension == ".cpp" || extension == ".cu" || extension == ".cc") {
      fault(source, line, "includes the source file " + header);
    } else if (argument[0] == '"' && find_folder(header.substr(0, header.find('/'))) != nullptr) {
      check_internal(source, line, header);
    } else {
      check_external(source, line, header, argument[0] == '<');
    }
  }

  void check_internal(const Source& source, std::size_t line, const std::string& header) {
    const std::string folder = header.substr(0, header.find('/'));
    if (!contains(find_folder(source.folder())->may_include, folder)) {
      fault(source, line, source.folder() + " may not include " + folder + " (" + header + ")");
      return;
    }
    if (source.folder() == "tests") return;
    for (const std::string_view hidden : kPrivate) {
      const bool device_code = hidden == "core/cuda/" && source.path.starts_with("kernels/cuda/");
      if (header.starts_with(hidden) && folder != source.folder() && !device_code) {
        fault(source, line, header + " is private to " + folder);
        return;
      }
    }
    const Room* room = find_room(room_of(source.path));
    if (room != nullptr && !may_include(*room, room_of(header))) {
      fault(source, line,
            std::string(room->path) + " may not include " + room_of(header) + " (" + header + ")");
    }
  }

  void check_external(const Source& source, std::size_t line, const std::string& header,
                      bool angled) {
    const auto library = std::ranges::find_if(
        kLibraries, [&](const Library& one) { return header.starts_with(one.header); });
    if (library != kLibraries.end()) {
      if (source.folder() != "tests" && !starts_with_any(source.path, library->users)) {
        std::string users;
        for (const std::string_view user : library->users) users.append(" ").append(user);
        fault(source, line, header + " may be included only in" + users + " tests/");
      }
    } else if (!angled) {
      fault(source, line,
            '"' + header + "\" must be a path from the root, like core/tensor/tensor.h");
    } else if (header.find_first_of("./") != std::string::npos &&
               !starts_with_any(header, kSystemHeaders)) {
      fault(source, line,
            "no rule says who may include <" + header + ">: see tests/structure/rules.cpp");
    }
  }

  /// An operation is declared in kernels/op.h with a CPU backend, and has four companions.
  void check_operation(const Source& source) {
    const fs::path path = source.path;
    if (path.parent_path() != "kernels" || path.extension() != ".h" ||
        std::ranges::none_of(source.lines,
                             [](const auto& line) { return line.starts_with("namespace cpu"); })) {
      return;
    }
    const std::string name = path.stem();
    for (const std::string& companion :
         {"kernels/" + name + ".cpp", "tests/kernels/" + name + "_test.cpp"}) {
      if (!fs::exists(root_ / companion)) fault(source, 1, "has no " + companion);
    }
    if (!has_backend(name, "cpu")) fault(source, 1, "has no kernels/cpu/" + name + ".cpp");
  }

  /// The backend of an operation is one file, or a folder of several.
  bool has_backend(const std::string& operation, const std::string& backend) const {
    const std::string whole = "kernels/" + backend + "/" + operation + ".cpp";
    const std::string part = "kernels/" + backend + "/" + operation + "/";
    return std::ranges::any_of(sources_, [&](const Source& s) {
      const std::string path = s.path;
      return path == whole || (path.starts_with(part) && path.ends_with(".cpp"));
    });
  }

  /// Every folder of sources is a room of the plan, and no room is a hall.
  void check_rooms() {
    for (const Source& source : sources_) {
      if (source.folder() == "tests") continue;
      RoomContents& room = rooms_[room_of(source.path)];
      room.units.insert(unit_of(source.path));
      room.files += 1;
      room.lines += source.lines.size();
      for (const std::string& header : headers_of(source)) {
        if (room_of(header) != room_of(source.path)) room.includes.insert(room_of(header));
      }
    }
    for (const auto& [path, room] : rooms_) {
      if (find_room(path) == nullptr) {
        faults_.push_back(
            path + ": no rule says what this room may include: see tests/structure/rules.cpp");
      }
      if (room.units.size() > kMaxUnits) {
        faults_.push_back(path + ": " + std::to_string(room.units.size()) + " units in one room, " +
                          "at most " + std::to_string(kMaxUnits) + " may be: divide it");
      }
    }
  }

  /// Units that include each other, if only by way of others, are one unit in two places.
  void check_circles() {
    std::map<std::string, std::set<std::string>> includes;
    for (const Source& source : sources_) {
      if (source.folder() == "tests") continue;
      for (const std::string& header : headers_of(source)) {
        if (unit_of(header) != unit_of(source.path)) {
          includes[unit_of(source.path)].insert(unit_of(header));
        }
      }
    }
    std::set<std::string> done;
    std::vector<std::string> path;
    const auto visit = [&](const auto& self, const std::string& unit) -> void {
      if (const auto start = std::ranges::find(path, unit); start != path.end()) {
        std::string circle;
        for (auto step = start; step != path.end(); ++step) circle += *step + " -> ";
        faults_.push_back("a circle of includes: " + circle + unit);
        return;
      }
      if (done.contains(unit)) return;
      path.push_back(unit);
      for (const std::string& next : includes[unit]) self(self, next);
      path.pop_back();
      done.insert(unit);
    };
    const auto units = includes;  // visit() adds to the map
    for (const auto& [unit, _] : units) visit(visit, unit);
  }

  /// The headers of the house that a source includes.
  static std::vector<std::string> headers_of(const Source& source) {
    std::vector<std::string> headers;
    for (const std::string& line : source.lines) {
      const auto directive = parse_directive(line);
      if (!directive || directive->name != "include" || !directive->argument.starts_with('"')) {
        continue;
      }
      std::string header(directive->argument.substr(1, directive->argument.find('"', 1) - 1));
      if (find_folder(header.substr(0, header.find('/'))) != nullptr) headers.push_back(header);
    }
    return headers;
  }

  void check_sizes() {
    std::size_t long_files = 0;
    for (const Source& source : sources_) {
      if (source.lines.size() >= kLongFile) ++long_files;
      if (source.lines.size() > kMaxLines) {
        fault(source, kMaxLines + 1, "over " + std::to_string(kMaxLines) + " lines: split it");
      }
    }
    if (long_files * 10 > sources_.size()) {
      faults_.push_back(std::to_string(long_files) + " of " + std::to_string(sources_.size()) +
                        " files have " + std::to_string(kLongFile) +
                        " lines or more: at most a tenth may");
    }
  }

  std::size_t quantile(double fraction) const {
    std::vector<std::size_t> sizes;
    for (const Source& source : sources_) sizes.push_back(source.lines.size());
    std::ranges::sort(sizes);
    if (sizes.empty()) return 0;
    return sizes[static_cast<std::size_t>(fraction * static_cast<double>(sizes.size() - 1))];
  }

  struct RoomContents {
    std::set<std::string> units;
    std::size_t files = 0, lines = 0;
    std::set<std::string> includes;  // rooms
  };

  fs::path root_;
  std::vector<Source> sources_;
  std::map<std::string, RoomContents> rooms_;
  std::vector<std::string> faults_;
};

}  // namespace

StructureReport check_structure(const fs::path& root) {
  Checker checker(root);
  return {.faults = checker.run(), .summary = checker.summary()};
}

}  // namespace krait

int main(int argc, char** argv) {
  const std::string argument = argc == 2 ? argv[1] : "";
  if (argument == "--self-test") return krait::structure_self_test();
  if (argument.empty() || !std::filesystem::exists(argument + "/CMakeLists.txt")) {
    std::cerr << "usage: check_structure ROOT | --self-test\n";
    return 64;
  }
  const krait::StructureReport report = krait::check_structure(argument);
  for (const std::string& fault : report.faults) std::cout << fault << "\n";
  std::cout << report.summary << "; " << report.faults.size() << " faults\n";
  return report.faults.empty() ? 0 : 1;
}
