#include "data/text/source.h"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

#include "core/system/file.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with(".");
}

/// The regular files below a folder by path; a link to a folder is not followed.
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

TextSource describe(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw_io_error("open", path, errno);
  KRAIT_CHECK(BadData, S_ISREG(info.st_mode), "'", path.string(),
              "' is not a regular file; copy its contents into one.");
  TextSource source{.path = path,
                    .compression = compression_of(path),
                    .bytes = static_cast<std::uint64_t>(info.st_size),
                    .modified_ns = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  const bool packed = source.compression != Compression::None;
  const fs::path extension = (packed ? path.stem() : path).extension();
  source.is_jsonl = extension == ".jsonl" || extension == ".ndjson";
  return source;
}

}  // namespace

std::vector<TextSource> find_text_sources(const std::vector<fs::path>& inputs) {
  std::vector<TextSource> sources;
  for (const fs::path& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (status.type() == fs::file_type::not_found) throw_io_error("open", input, ENOENT);
    if (error) throw_io_error("open", input, error.value());
    if (status.type() != fs::file_type::directory) {
      sources.push_back(describe(input));
      continue;
    }
    for (const fs::path& file : files_below(input)) sources.push_back(describe(file));
  }
  return sources;
}

void add_identity(Sha256& hash, const TextSource& source) {
  hash.update(str(source.path.string().size(), " ", source.path.string(), " ", source.bytes, " ",
                  source.modified_ns, "\n"));
}

}  // namespace krait
