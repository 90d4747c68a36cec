#include "data/labelled_set/labelled_set.h"

#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/files/strict_json.h"
#include "data/hdf5/hdf5.h"
#include "data/hdf5/narrow.h"
#include "data/labelled_set/format.h"

namespace krait {
namespace fs = std::filesystem;
namespace format = labelled_set_format;

namespace {

constexpr std::string_view kAdvice = "; the set is damaged: copy it again or make it again";

void read_names(const Hdf5File& file, LabelledSetDescription& d) {
  const std::string where = str("'", file.path().string(), "', names");
  const nlohmann::json names = parse_strict_json(file.attribute<std::string>("/", "names"), where);
  for (const auto& [key, list] : {std::pair{"symbols", &d.symbols}, {"classes", &d.classes}}) {
    const auto found = names.find(key);
    const bool good =
        found != names.end() && found->is_array() &&
        std::ranges::all_of(*found, [](const auto& name) { return name.is_string(); });
    KRAIT_CHECK(BadData, good, where, ": '", key, "' must be a list of strings", kAdvice, ".");
    *list = found->get<std::vector<std::string>>();
  }
}

LabelledSetInfo read_attributes(const Hdf5File& file) {
  check_file_format(file, format::kFormat);
  LabelledSetInfo info{.path = file.path(), .format_version = format::kFormat.version};
  LabelledSetDescription& d = info.description;
  d.task = file.attribute<std::string>("/", "task");
  const auto kind_name = file.attribute<std::string>("/", "input_kind");
  const auto kind = value_of<InputKind>(kind_name);
  d.kind = kind.value_or(InputKind::Tokens);
  d.n_symbols = file.attribute<std::int64_t>("/", "n_symbols");
  d.inputs_per_example = file.attribute<std::int64_t>("/", "inputs_per_example");
  d.height = file.attribute<std::int64_t>("/", "height");
  d.width = file.attribute<std::int64_t>("/", "width");
  read_names(file, d);
  const std::string problem = kind ? format::problem_with(d) : str("input_kind '", kind_name, "'");
  KRAIT_CHECK(BadData, problem.empty(), "'", file.path().string(),
              "': impossible attributes: ", problem, kAdvice, ".");
  info.provenance = file.attribute<std::string>("/", "provenance");
  info.content_sha256 = file.attribute<std::string>("/", "content_sha256");
  return info;
}

/// Inputs in order, none empty, images of their size; the lengths into `info`.
void check_offsets(std::span<const std::uint64_t> offsets, LabelledSetInfo& info) {
  const LabelledSetDescription& d = info.description;
  bool good = offsets.size() >= 2 && offsets.front() == 0 && offsets.back() == info.n_tokens;
  info.shortest_input = info.n_tokens;
  for (std::size_t i = 1; good && i < offsets.size(); ++i) {
    good = offsets[i] > offsets[i - 1];
    info.shortest_input = std::min(info.shortest_input, offsets[i] - offsets[i - 1]);
    info.longest_input = std::max(info.longest_input, offsets[i] - offsets[i - 1]);
  }
  KRAIT_CHECK(BadData, good, "'", info.path.string(), "', '", format::kOffsets,
              "': must rise from 0 to the ", info.n_tokens, " tokens", kAdvice, ".");
  if (d.kind == InputKind::Tokens) return;
  KRAIT_CHECK(BadData,
              info.shortest_input == info.longest_input &&
                  std::cmp_equal(info.longest_input, d.height * d.width),
              "'", info.path.string(), "', '", format::kOffsets, "': images of ", d.height, " x ",
              d.width, " cannot have ", info.shortest_input, " to ", info.longest_input, " pixels",
              kAdvice, ".");
}

}  // namespace

fs::path labelled_set_path(const fs::path& folder, Split split) {
  return folder / (std::string(name_of(split)) + ".h5");
}

bool is_labelled_set(const fs::path& path) {
  if (!path_exists(path) || directory_exists(path)) return false;
  try {
    const Hdf5File file = Hdf5File::open(path);
    return file.has_attribute("/", "format") &&
           file.attribute<std::string>("/", "format") == format::kFormat.name;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::BadData) throw;
    return false;
  }
}

LabelledSet::LabelledSet(const fs::path& path) {
  const Hdf5File file = Hdf5File::open(path);
  info_ = read_attributes(file);
  token_bytes_ = format::token_bytes(description());
  map_ = MappedFile(file.descriptor(), path);  // the same file, whatever is renamed meanwhile
  info_.file_bytes = map_.size();
  visit_narrow(token_bytes_, [&]<class T>(T) {
    tokens_ = mapped_bytes(file, format::kTokens, kNarrowType<T>, map_, kAdvice);
    info_.n_tokens = tokens_.size() / sizeof(T);
  });
  offsets_ = mapped_array<std::uint64_t>(file, format::kOffsets, Hdf5Type::U64, map_, kAdvice);
  labels_ = mapped_array<std::int32_t>(file, format::kLabels, Hdf5Type::I32, map_, kAdvice);
  info_.n_examples = labels_.size();
  info_.n_inputs = offsets_.size() - 1;
  const auto per_example = static_cast<std::uint64_t>(description().inputs_per_example);
  KRAIT_CHECK(BadData, info_.n_inputs == per_example * info_.n_examples, "'", path.string(),
              "': ", info_.n_examples, " examples of ", per_example, " inputs cannot have ",
              info_.n_inputs, kAdvice, ".");
  block_hashes_ = BlockHashes(file, format::kHashes, tokens_.size(),
                              format::block_bytes(description()), kAdvice);
  Sha256 content = format::content_hash(info_, block_hashes_.bytes());
  for (const auto array : {std::as_bytes(offsets_), std::as_bytes(labels_)}) {
    map_.expect(array, MappedFile::Access::Sequential);
    content.update(array);
    map_.expect(array, MappedFile::Access::Random);
  }
  KRAIT_CHECK(BadData, content.hex() == info_.content_sha256, "'", path.string(),
              "': the attributes, '", format::kOffsets, "', '", format::kLabels, "' or '",
              format::kHashes, "' do not match content_sha256", kAdvice, ".");
  check_offsets(offsets_, info_);
  const auto bad = std::ranges::find_if(
      labels_, [&](std::int32_t label) { return label < 0 || label >= description().n_classes(); });
  KRAIT_CHECK(BadData, bad == labels_.end(), "'", path.string(), "', '", format::kLabels,
              "': label ", *bad, " of example ", bad - labels_.begin(), " must be 0 to ",
              description().n_classes() - 1, kAdvice, ".");
}

std::uint64_t LabelledSet::first_input(std::uint64_t example) const {
  KRAIT_REQUIRE(example < n_examples(), "[LabelledSet] example ", example, " must be < ",
                n_examples(), ".");
  return example * static_cast<std::uint64_t>(description().inputs_per_example);
}

std::uint64_t LabelledSet::length(std::uint64_t example, std::int64_t input) const {
  KRAIT_REQUIRE(input >= 0 && input < description().inputs_per_example, "[LabelledSet] input ",
                input, " must be < ", description().inputs_per_example, ".");
  const std::uint64_t i = first_input(example) + static_cast<std::uint64_t>(input);
  return offsets_[i + 1] - offsets_[i];
}

std::uint64_t LabelledSet::longest(std::uint64_t example) const {
  std::uint64_t longest = 0;
  for (std::int64_t i = 0; i < description().inputs_per_example; ++i) {
    longest = std::max(longest, length(example, i));
  }
  return longest;
}

void LabelledSet::copy(std::uint64_t example, std::int64_t input,
                       std::span<std::int32_t> out) const {
  KRAIT_REQUIRE(out.size() <= length(example, input), "[LabelledSet::copy] input ", input,
                " of example ", example, " has ", length(example, input), " tokens, not ",
                out.size(), ".");
  copy_tokens(offsets_[first_input(example) + static_cast<std::uint64_t>(input)], out);
}

void LabelledSet::copy_tokens(std::uint64_t first, std::span<std::int32_t> out) const {
  const std::uint32_t largest = copy_narrow(tokens_, token_bytes_, first, out);
  KRAIT_CHECK(BadData, out.empty() || largest < description().n_symbols, "'", info_.path.string(),
              "', '", format::kTokens, "': id ", largest, " near token ", first,
              " must be below the ", description().n_symbols, " symbols", kAdvice, ".");
}

void LabelledSet::prefetch(std::uint64_t example) const {
  const std::uint64_t i = first_input(example), bytes = static_cast<std::uint64_t>(token_bytes_);
  const std::uint64_t end =
      offsets_[i + static_cast<std::uint64_t>(description().inputs_per_example)];
  map_.prefetch(tokens_.subspan(offsets_[i] * bytes, (end - offsets_[i]) * bytes));
}

void LabelledSet::verify(const std::function<void(std::uint64_t tokens)>& progress) const {
  constexpr std::uint64_t kRound = 64;  // blocks between reports of progress
  const std::uint64_t n_blocks = block_hashes_.n_blocks();
  std::vector<std::int32_t> scratch;
  for (std::uint64_t first = 0; first < n_blocks; first += kRound) {
    const std::uint64_t count = std::min(kRound, n_blocks - first);
    const auto bad = block_hashes_.first_bad(tokens_, map_, first, count);
    KRAIT_CHECK(BadData, !bad, "'", info_.path.string(), "', '", format::kTokens, "': block ", *bad,
                " (tokens ", *bad * format::kBlockTokens, " to ",
                std::min((*bad + 1) * format::kBlockTokens, info_.n_tokens) - 1,
                ") does not match its hash", kAdvice, ".");
    for (std::uint64_t block = first; block < first + count; ++block) {
      const std::uint64_t start = block * format::kBlockTokens;
      scratch.resize(std::min(format::kBlockTokens, info_.n_tokens - start));
      copy_tokens(start, scratch);
    }
    if (progress) progress(std::min((first + count) * format::kBlockTokens, info_.n_tokens));
  }
}

}  // namespace krait
