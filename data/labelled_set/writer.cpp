#include "data/labelled_set/writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/system/file.h"
#include "data/hdf5/hdf5.h"
#include "data/hdf5/narrow.h"
#include "data/hdf5/spool.h"
#include "data/labelled_set/format.h"

namespace krait {
namespace fs = std::filesystem;
namespace format = labelled_set_format;

namespace {

const fs::path& with_folder(const fs::path& target) {
  make_directories(target.parent_path());
  return target;
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

constexpr std::size_t kSmallBlock = std::size_t{1} << 18;  // bytes of offsets or labels

}  // namespace

struct LabelledSetWriter::Impl {
  fs::path target;
  LabelledSetInfo info;
  BlockSpool tokens, offsets, labels;
  std::unique_ptr<TemporaryFile> prepared;

  Impl(const fs::path& path, LabelledSetDescription description)
      : target(with_folder(path)),
        info{.description = std::move(description)},
        tokens(path, format::block_bytes(info.description)),
        offsets(path, kSmallBlock),
        labels(path, kSmallBlock) {
    const std::string problem = format::problem_with(info.description);
    KRAIT_REQUIRE(problem.empty(), "[LabelledSetWriter] impossible description: ", problem, ".");
    remove_stale_temporaries(target);
    offsets.append(bytes_of(std::uint64_t{0}));
  }

  void check_input(std::span<const std::int32_t> input) const {
    const LabelledSetDescription& d = info.description;
    KRAIT_REQUIRE(!input.empty(), "[LabelledSetWriter] an input must not be empty.");
    KRAIT_REQUIRE(d.kind == InputKind::Tokens || std::cmp_equal(input.size(), d.height * d.width),
                  "[LabelledSetWriter] an image of ", d.height, " x ", d.width, " cannot have ",
                  input.size(), " pixels.");
    for (const std::int32_t id : input) {
      KRAIT_REQUIRE(id >= 0 && id < d.n_symbols, "[LabelledSetWriter] ids must be 0 to ",
                    d.n_symbols - 1, ", got ", id, ".");
    }
  }

  void write(Hdf5File& file) {
    const LabelledSetDescription& d = info.description;
    const std::vector<std::uint8_t>& hashes = tokens.hashes();
    visit_narrow(format::token_bytes(d), [&]<class T>(T) {
      tokens.spool().copy_to<T>(file, format::kTokens, info.n_tokens, [](auto) {});
    });
    file.write<std::uint8_t>(format::kHashes, {static_cast<std::int64_t>(hashes.size() / 32), 32},
                             hashes);
    Sha256 content = format::content_hash(info, hashes);
    const auto seen = [&](auto bytes) { content.update(bytes); };
    offsets.spool().copy_to<std::uint64_t>(file, format::kOffsets, info.n_inputs + 1, seen);
    labels.spool().copy_to<std::int32_t>(file, format::kLabels, info.n_examples, seen);
    info.content_sha256 = content.hex();
    file.write_attribute("/", "format", format::kFormat.name);
    file.write_attribute("/", "format_version", format::kFormat.version);
    file.write_attribute("/", "task", d.task);
    file.write_attribute("/", "input_kind", name_of(d.kind));
    file.write_attribute("/", "n_symbols", d.n_symbols);
    file.write_attribute("/", "inputs_per_example", d.inputs_per_example);
    file.write_attribute("/", "height", d.height);
    file.write_attribute("/", "width", d.width);
    file.write_attribute("/", "names", format::names_json(d));
    file.write_attribute("/", "provenance", info.provenance);
    file.write_attribute("/", "content_sha256", info.content_sha256);
  }
};

LabelledSetWriter::LabelledSetWriter(const fs::path& target, LabelledSetDescription description)
    : impl_(std::make_unique<Impl>(target, std::move(description))) {}
LabelledSetWriter::~LabelledSetWriter() = default;
LabelledSetWriter::LabelledSetWriter(LabelledSetWriter&&) noexcept = default;
LabelledSetWriter& LabelledSetWriter::operator=(LabelledSetWriter&&) noexcept = default;

std::uint64_t LabelledSetWriter::n_examples() const {
  return impl_->info.n_examples;
}
std::uint64_t LabelledSetWriter::n_tokens() const {
  return impl_->info.n_tokens;
}

void LabelledSetWriter::add(std::int32_t label,
                            std::initializer_list<std::span<const std::int32_t>> inputs) {
  LabelledSetInfo& info = impl_->info;
  const LabelledSetDescription& d = info.description;
  KRAIT_REQUIRE(!impl_->prepared && std::cmp_equal(inputs.size(), d.inputs_per_example),
                "[LabelledSetWriter] an example must have ", d.inputs_per_example,
                " inputs and come before prepare.");
  KRAIT_REQUIRE(label >= 0 && label < d.n_classes(), "[LabelledSetWriter] labels must be 0 to ",
                d.n_classes() - 1, ", got ", label, ".");
  for (const auto input : inputs) impl_->check_input(input);
  for (const auto input : inputs) {
    append_narrow(impl_->tokens, format::token_bytes(d), input);
    info.n_tokens += input.size();
    impl_->offsets.append(bytes_of(info.n_tokens));
    ++info.n_inputs;
  }
  impl_->labels.append(bytes_of(label));
  ++info.n_examples;
}

void LabelledSetWriter::prepare(const std::string& provenance) {
  KRAIT_REQUIRE(!impl_->prepared, "[LabelledSetWriter::prepare] is called once.");
  KRAIT_CHECK(BadData, n_examples() > 0, "'", impl_->target.string(),
              "' would hold no example; check the input.");
  for (BlockSpool* spool : {&impl_->tokens, &impl_->offsets, &impl_->labels}) spool->finish();
  impl_->info.provenance = provenance;
  auto temporary = std::make_unique<TemporaryFile>(impl_->target);
  Hdf5File file = Hdf5File::create(*temporary, format::kAlignment);
  impl_->write(file);
  file.close();
  temporary->sync();
  impl_->prepared = std::move(temporary);
}

const std::string& LabelledSetWriter::content_sha256() const {
  KRAIT_REQUIRE(impl_->prepared, "[LabelledSetWriter::content_sha256] comes after prepare.");
  return impl_->info.content_sha256;
}

void LabelledSetWriter::commit() {
  KRAIT_REQUIRE(impl_->prepared, "[LabelledSetWriter::commit] comes after prepare.");
  impl_->prepared->commit();
}

}  // namespace krait
