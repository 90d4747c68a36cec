#include "data/text_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/file.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

/// Takes one string out of an object and checks the rest, without building the values.
class FieldReader final : public nlohmann::json::json_sax_t {
 public:
  explicit FieldReader(const std::string& field) : field_(field) {}

  std::optional<std::string> text;
  std::string problem;  // empty while there is none

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& found) override {
    if (!wanted()) return value();
    if (text) return fail("has the field '" + field_ + "' twice");
    text = std::move(found);
    wanted_ = false;
    return true;
  }
  bool start_object(std::size_t) override { return (depth_ == 0 || value()) && enter(); }
  bool start_array(std::size_t) override { return value() && enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    wanted_ = depth_ == 1 && name == field_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return fail("is not valid JSON at byte " + std::to_string(position));
  }

 private:
  bool wanted() const { return depth_ == 1 && wanted_; }
  // A value that is not the text: the line's whole must be an object, the field a string.
  bool value() {
    if (depth_ == 0) return fail("is not a JSON object");
    if (wanted()) return fail("has a field '" + field_ + "' that is not a string");
    return true;
  }
  bool enter() {
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool fail(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }

  std::string field_;
  std::uint64_t depth_ = 0;
  bool wanted_ = false;
};

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// Calls visit(line number from 1, line) for every line that is not blank.
template <class Visit>
void visit_lines(std::string_view text, Visit&& visit) {
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (!is_blank(line)) visit(number, line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with(".");
}

// The regular files below a folder by path; a link to a folder is not followed.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (is_hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (std::error_code broken; entry->is_regular_file(broken)) {  // not: a dangling link
      files.push_back(entry->path());
    }
  }
  if (error) throw_io_error("list the folder", folder, error.value());
  std::ranges::sort(files, {}, [](const fs::path& path) { return path.generic_string(); });
  return files;
}

// Calls visit(text, input bytes) for every document of a file.
template <class Visit>
void visit_texts(const TextSource& source, std::string_view contents, const std::string& text_field,
                 Visit&& visit) {
  if (!source.is_jsonl) {
    visit(contents, contents.size());
    return;
  }
  visit_lines(contents, [&](std::uint64_t number, std::string_view line) {
    const std::string where = str(source.path.string(), ":", number);
    visit(json_text_field(line, text_field, where), line.size() + 1);
  });
}

void look_through(const fs::path& path, const std::string& text_field, TextSources& sources) {
  const MappedFile file(path, MappedFile::Access::Sequential);
  const std::string_view contents = text_of(file);
  if (const std::size_t nul = contents.find('\0'); nul != std::string_view::npos) {
    sources.skipped.push_back({path, str("binary: NUL byte at ", nul)});
    return;
  }
  const fs::path extension = path.extension();
  TextSource source{.path = path,
                    .is_jsonl = extension == ".jsonl" || extension == ".ndjson",
                    .bytes = contents.size()};
  std::uint64_t empty = 0;
  visit_texts(source, contents, text_field, [&](std::string_view text, std::uint64_t) {
    ++(text.empty() ? empty : source.documents);
  });
  if (contents.empty() || (source.documents == 0 && empty == 0)) {
    sources.skipped.push_back({path, "empty"});
    return;
  }
  sources.empty_documents += empty;
  sources.bytes += source.bytes;
  sources.documents += source.documents;
  sources.files.push_back(std::move(source));
}

}  // namespace

TextSources find_text_sources(const std::vector<fs::path>& inputs, const std::string& text_field) {
  TextSources sources;
  for (const fs::path& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (status.type() == fs::file_type::not_found) throw_io_error("open", input, ENOENT);
    if (error) throw_io_error("open", input, error.value());
    if (status.type() != fs::file_type::directory) {
      look_through(input, text_field, sources);
      continue;
    }
    for (const fs::path& file : files_below(input)) look_through(file, text_field, sources);
  }
  return sources;
}

std::string json_text_field(std::string_view line, const std::string& field,
                            const std::string& where) {
  FieldReader reader(field);
  nlohmann::json::sax_parse(line, &reader);
  if (reader.problem.empty() && !reader.text) reader.problem = "has no field '" + field + "'";
  KRAIT_CHECK(BadData, reader.problem.empty(), where, ": the line ", reader.problem,
              "; correct or remove it.");
  return std::move(*reader.text);
}

void visit_documents(const TextSource& source, const std::string& text_field,
                     const std::function<void(std::string_view text, std::uint64_t bytes)>& visit) {
  const MappedFile file(source.path, MappedFile::Access::Sequential);
  visit_texts(source, text_of(file), text_field, [&](std::string_view text, std::uint64_t bytes) {
    if (!text.empty()) visit(text, bytes);
  });
}

}  // namespace krait
