#include "train/run/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/statvfs.h>

#include "core/memory/memory.h"
#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/hdf5/hdf5.h"
#include "data/tokenizer/tokenizer.h"
#include "train/run/build_info.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kPartialPrefix = ".partial_";
constexpr std::string_view kFormat = "krait-checkpoint";
constexpr int kVersion = 1;
constexpr std::string_view kTokenizerFile = "tokenizer.json";
constexpr std::size_t kMaxJsonBytes = 16 << 20;  // far above any real manifest
constexpr int kStepDigits = 8;

std::string directory_name(std::int64_t step) {
  return fmt::format("{}{:0{}}", kPrefix, step, kStepDigits);
}

/// The step in the name of a checkpoint directory.
std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return {};
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc() || stop != end || name != directory_name(step)) return {};
  return step;
}

[[noreturn]] void bad(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::BadData, str("'", file.string(), "' ", what,
                                      "; use another checkpoint (krait checkpoint ls)."));
}

json parse_json(const fs::path& file) {
  const json value = json::parse(read_file(file, kMaxJsonBytes), nullptr, false);
  if (!value.is_object()) bad(file, "is not a JSON object");
  return value;
}

/// One member of a JSON object, as T.
template <class T>
T member(const json& object, const char* key, const fs::path& file) {
  try {
    return object.at(key).get<T>();
  } catch (const json::exception&) {
    bad(file, str("has no valid \"", key, "\""));
  }
}

void write_tensors(Hdf5File& file, const std::string& group,
                   const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& t : tensors) {
    visit_float(t.tensor.dtype(), "checkpoint", [&](auto tag) {
      using T = decltype(tag);
      const Tensor here = t.tensor.to({});
      file.write<T>(group + t.name, here.shape(), std::span<const T>(here.span<T>()));
    });
  }
}

void read_tensors(const Hdf5File& file, const std::string& group,
                  const std::vector<NamedTensor>& tensors) {
  std::set<std::string> left;
  for (const std::string& name : file.datasets(group)) left.insert(name);
  for (const NamedTensor& t : tensors) {
    if (left.erase(t.name) == 0) bad(file.path(), "has no tensor '" + t.name + "'");
    const std::string path = group + t.name;
    const Hdf5DatasetInfo info = file.info(path);
    if (!(info.shape == t.tensor.shape())) {
      bad(file.path(), str("holds '", t.name, "' of shape ", info.shape, ", the model needs ",
                           t.tensor.shape()));
    }
    visit_float(t.tensor.dtype(), "checkpoint", [&](auto tag) {
      using T = decltype(tag);
      const std::vector<T> values = file.read<T>(path).values;
      copy_memory({.to = t.tensor.data<T>(), .device = t.tensor.device()}, {.from = values.data()},
                  values.size() * sizeof(T));
    });
    t.tensor.bump_version();
  }
  if (!left.empty()) bad(file.path(), "holds the unknown tensor '" + *left.begin() + "'");
}

std::size_t bytes_of(const std::vector<NamedTensor>& tensors) {
  std::size_t bytes = 0;
  for (const NamedTensor& t : tensors) bytes += t.tensor.bytes();
  return bytes;
}

/// Refuses to begin what cannot be finished.
void require_room(const fs::path& root, const CheckpointTensors& t) {
  constexpr std::size_t kSlack = 1 << 20;  // HDF5 metadata, JSON, directory blocks
  const std::size_t needed = bytes_of(t.parameters) + bytes_of(t.first_moment) +
                             bytes_of(t.second_moment) + bytes_of(t.average) + kSlack;
  struct statvfs info {};
  if (statvfs(root.c_str(), &info) != 0) return;
  const std::size_t room = static_cast<std::size_t>(info.f_bavail) * info.f_frsize;
  KRAIT_CHECK(Io, room >= needed, "a checkpoint needs ", needed >> 20, " MiB, but the disk of '",
              root.string(), "' has ", room >> 20, " MiB left; free space and start again.");
}

json state_json(const CheckpointState& s) {
  const TrainingPosition& p = s.position;
  json value{{"step", p.step},
             {"samples", p.samples},
             {"tokens", p.tokens},
             {"best_step", p.best_step},
             {"data_identity", s.data_identity},
             {"tokenizer_identity", s.tokenizer_identity},
             {"vocab_size", s.vocab_size}};
  if (p.best_step > 0) {
    value["best_loss"] = p.best_loss;
    value["best_identity"] = p.best_identity;
  }
  return value;
}

json build_json() {
  const BuildInfo& b = build_info();
  return {{"version", b.version}, {"source", b.source},   {"compiler", b.compiler},
          {"flags", b.flags},     {"type", b.build_type}, {"system", b.system}};
}

/// Collects the files of a checkpoint under construction and their hashes.
class Writer {
 public:
  explicit Writer(fs::path directory) : directory_(std::move(directory)) {
    std::error_code error;
    fs::remove_all(directory_, error);
    fs::create_directory(directory_, error);
    if (error) throw_io_error("make the directory", directory_, error.value());
  }
  ~Writer() {
    std::error_code ignored;
    if (!done_) fs::remove_all(directory_, ignored);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void text(const std::string& name, std::string_view contents) {
    write_file_atomic(directory_ / name, contents);
    list(name, contents.size(), sha256_hex(contents));
  }
  template <class Fill>
  void hdf5(const std::string& name, Fill&& fill) {
    Hdf5File file = Hdf5File::create(directory_ / name);
    fill(file);
    file.close();
    const fs::path path = directory_ / name;
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(path, error);
    if (error) throw_io_error("inspect", path, error.value());
    // HDF5 goes back to bytes that it wrote earlier, so the file cannot be hashed while it is
    // written. Until it is synced all of it is in the page cache, and the disk works meanwhile.
    list(name, bytes, file_sha256(path));
    fsync_file(path);
  }
  /// Writes the manifest and puts the directory in its place.
  void finish(std::int64_t step, const fs::path& target) {
    const json manifest{{"format", kFormat},
                        {"version", kVersion},
                        {"step", step},
                        {"build", build_json()},
                        {"files", files_}};
    write_file_atomic(directory_ / "manifest.json", manifest.dump(2) + "\n");
    fsync_directory(directory_);
    std::error_code error;
    fs::remove_all(target, error);
    fs::rename(directory_, target, error);
    if (error) throw_io_error("move a checkpoint to", target, error.value());
    done_ = true;
    fsync_directory(target.parent_path());
  }

 private:
  void list(const std::string& name, std::uintmax_t bytes, const std::string& sha256) {
    files_[name] = {{"bytes", bytes}, {"sha256", sha256}};
  }
  fs::path directory_;
  json files_ = json::object();
  bool done_ = false;
};

/// Checks one listed file.
void verify_file(const fs::path& path, const json& entry, std::vector<std::string>* problems) {
  const auto say = [&](const std::string& what) {
    problems->push_back("'" + path.string() + "' " + what);
  };
  const std::string name = path.filename().string();
  if (!entry.is_object() || !entry.contains("bytes") || !entry["bytes"].is_number_unsigned() ||
      !entry.contains("sha256") || !entry["sha256"].is_string()) {
    return say("has no valid entry in the manifest");
  }
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return say("is missing");
  const auto bytes = fs::file_size(path, error);
  const auto expected = entry["bytes"].get<std::uintmax_t>();
  if (error || bytes != expected) {
    return say(str("has ", bytes, " bytes, the manifest says ", expected));
  }
  if (file_sha256(path) != entry["sha256"].get<std::string>()) {
    say("does not have the SHA-256 of the manifest: its contents changed");
  }
}

}  // namespace

std::filesystem::path save_checkpoint(const fs::path& root, const CheckpointState& state,
                                      const CheckpointTensors& tensors) {
  std::error_code error;
  fs::create_directories(root, error);
  if (error) throw_io_error("make the directory", root, error.value());
  require_room(root, tensors);
  const std::string name = directory_name(state.position.step);
  Writer writer(root / (std::string(kPartialPrefix) + name));
  writer.text("config.yaml", state.config_yaml);
  writer.text("state.json", state_json(state).dump(2) + "\n");
  if (!state.tokenizer_definition.empty()) {
    writer.text(std::string(kTokenizerFile), state.tokenizer_definition);
  }
  writer.hdf5("model.h5", [&](Hdf5File& f) { write_tensors(f, "", tensors.parameters); });
  if (!tensors.first_moment.empty()) {
    writer.hdf5("optimizer.h5", [&](Hdf5File& f) {
      write_tensors(f, "m/", tensors.first_moment);
      write_tensors(f, "v/", tensors.second_moment);
    });
  }
  if (!tensors.average.empty()) {
    writer.hdf5("ema.h5", [&](Hdf5File& f) { write_tensors(f, "", tensors.average); });
  }
  writer.finish(state.position.step, root / name);
  return root / name;
}

std::vector<std::string> verify_checkpoint(const fs::path& checkpoint) {
  std::vector<std::string> problems;
  const fs::path manifest_path = checkpoint / "manifest.json";
  try {
    const json manifest = parse_json(manifest_path);
    if (member<std::string>(manifest, "format", manifest_path) != kFormat ||
        member<int>(manifest, "version", manifest_path) != kVersion) {
      bad(manifest_path, "has a format or version that this build does not read");
    }
    const json files = member<json>(manifest, "files", manifest_path);
    for (const char* needed : {"config.yaml", "state.json", "model.h5"}) {
      if (!files.contains(needed)) bad(manifest_path, str("does not list ", needed));
    }
    for (const auto& [name, entry] : files.items()) {
      if (fs::path(name).filename() != name || name == "." || name == "..") {
        bad(manifest_path, "lists a file outside the checkpoint");
      }
      verify_file(checkpoint / name, entry, &problems);
    }
    if (const auto step = step_of(fs::absolute(checkpoint).filename().string());
        step && *step != member<std::int64_t>(manifest, "step", manifest_path)) {
      problems.push_back("'" + checkpoint.string() + "' is named after another step");
    }
  } catch (const Error& e) {
    problems.emplace_back(e.what());
  }
  return problems;
}

std::vector<CheckpointInfo> list_checkpoints(const fs::path& root) {
  std::vector<CheckpointInfo> found;
  if (!directory_exists(root)) return found;
  std::error_code error;
  const fs::directory_iterator entries(root, error);
  if (error) throw_io_error("list the directory", root, error.value());
  for (const auto& entry : entries) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory(error)) found.push_back({entry.path(), *step});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.step < b.step; });
  return found;
}

std::optional<CheckpointInfo> newest_valid_checkpoint(const fs::path& root,
                                                      std::vector<std::string>* skipped) {
  std::vector<CheckpointInfo> all = list_checkpoints(root);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    const std::vector<std::string> problems = verify_checkpoint(it->path);
    if (problems.empty()) return *it;
    if (skipped != nullptr) skipped->push_back(problems[0]);
  }
  return {};
}

std::filesystem::path resolve_checkpoint(const fs::path& path) {
  KRAIT_CHECK(MissingInput, directory_exists(path), "there is no directory '", path.string(),
              "'; give a run directory or a checkpoint in it.");
  if (path_exists(path / "manifest.json")) {
    const std::vector<std::string> problems = verify_checkpoint(path);
    KRAIT_CHECK(BadData, problems.empty(), problems.front());
    return path;
  }
  for (const fs::path& root : {path / "checkpoints", path}) {
    if (list_checkpoints(root).empty()) continue;
    std::vector<std::string> skipped;
    const auto newest = newest_valid_checkpoint(root, &skipped);
    KRAIT_CHECK(BadData, newest.has_value(), "no checkpoint in '", root.string(),
                "' is intact: ", skipped.front(), ".");
    return newest->path;
  }
  throw Error(ErrorKind::MissingInput,
              str("there is no checkpoint in '", path.string(), "'; train first (krait train)."));
}

CheckpointState read_checkpoint_state(const fs::path& checkpoint) {
  const fs::path file = checkpoint / "state.json";
  const json value = parse_json(file);
  CheckpointState s;
  s.position.step = member<std::int64_t>(value, "step", file);
  s.position.samples = member<std::uint64_t>(value, "samples", file);
  s.position.tokens = member<std::uint64_t>(value, "tokens", file);
  s.position.best_step = member<std::int64_t>(value, "best_step", file);
  if (s.position.best_step > 0) {
    s.position.best_loss = member<double>(value, "best_loss", file);
    if (value.contains("best_identity")) {  // since 0.2.0
      s.position.best_identity = member<std::string>(value, "best_identity", file);
    }
  }
  s.data_identity = member<std::string>(value, "data_identity", file);
  s.tokenizer_identity = member<std::string>(value, "tokenizer_identity", file);
  s.vocab_size = member<std::int64_t>(value, "vocab_size", file);
  if (path_exists(checkpoint / kTokenizerFile)) {
    s.tokenizer_definition = read_file(checkpoint / kTokenizerFile, kMaxTokenizerBytes);
  }
  s.config_yaml = read_file(checkpoint / "config.yaml", kMaxJsonBytes);
  return s;
}

void read_checkpoint_parameters(const fs::path& checkpoint, CheckpointWeights weights,
                                const std::vector<NamedTensor>& tensors) {
  const bool averaged = weights == CheckpointWeights::Averaged;
  const fs::path file = checkpoint / (averaged ? "ema.h5" : "model.h5");
  KRAIT_CHECK(
      MissingInput, !averaged || path_exists(file), "'", checkpoint.string(),
      "' holds no averaged weights; train with train.ema_decay > 0 or take the trained ones.");
  read_tensors(Hdf5File::open(file), "", tensors);
}

bool has_averaged_weights(const fs::path& checkpoint) {
  return fs::exists(checkpoint / "ema.h5");
}

void read_checkpoint_tensors(const fs::path& checkpoint, const CheckpointTensors& tensors) {
  read_checkpoint_parameters(checkpoint, CheckpointWeights::Trained, tensors.parameters);
  const Hdf5File optimizer = Hdf5File::open(checkpoint / "optimizer.h5");
  read_tensors(optimizer, "m/", tensors.first_moment);
  read_tensors(optimizer, "v/", tensors.second_moment);
  if (!tensors.average.empty()) {
    read_checkpoint_parameters(checkpoint, CheckpointWeights::Averaged, tensors.average);
  }
}

void remove_partial_checkpoints(const fs::path& root) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (entry.path().filename().string().starts_with(kPartialPrefix)) {
      fs::remove_all(entry.path(), error);
    }
  }
}

void prune_checkpoints(const fs::path& root, std::int64_t keep_last, std::int64_t keep_step) {
  std::vector<CheckpointInfo> all = list_checkpoints(root);
  std::erase_if(all, [&](const CheckpointInfo& c) { return c.step == keep_step; });
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep_last) < all.size(); ++i) {
    std::error_code error;
    fs::remove(all[i].path / "manifest.json", error);  // first: without it nobody takes the rest
    fs::remove_all(all[i].path, error);
  }
}

std::string tensor_hash(const std::vector<NamedTensor>& tensors) {
  Sha256 hash;
  for (const NamedTensor& t : tensors) {
    hash.update(str(t.name, " ", t.tensor.dtype(), " ", t.tensor.shape(), "\n"));
    visit_float(t.tensor.dtype(), "tensor_hash", [&, here = t.tensor.to({})](auto tag) {
      hash.update(std::as_bytes(here.span<decltype(tag)>()));
    });
  }
  return hash.hex();
}

}  // namespace krait
