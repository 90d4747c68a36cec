#include "data/labelled_set/labelled_set.h"

#include <gtest/gtest.h>
#include <hdf5.h>

#include "core/system/parallel.h"
#include "data/hdf5/hdf5.h"
#include "data/labelled_set/format.h"
#include "tests/data/labelled_set/sample_sets.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;
namespace format = labelled_set_format;

TEST(LabelledSet, HoldsWhatWasWrittenInEveryWidthOfTokensAndAsPairs) {
  const TemporaryDirectory directory;
  for (const std::int64_t symbols : {16, 256, 257, 65536, 65537}) {
    for (const std::int64_t inputs : {1, 2}) {
      const auto description = token_description(symbols, inputs);
      const Examples examples = random_examples(40, 90, description, 3);
      write_labelled_set(directory / "set.h5", description, examples);
      const LabelledSet set(directory / "set.h5");
      EXPECT_EQ(all_examples(set), examples);
      set.verify();
      EXPECT_EQ(set.info().n_inputs, 40u * static_cast<std::uint64_t>(inputs));
      EXPECT_EQ(set.longest(7),
                std::max(examples[7].inputs.front().size(), examples[7].inputs.back().size()));
    }
  }
}

TEST(LabelledSet, HoldsTheDescriptionAndTheProvenance) {
  const TemporaryDirectory directory;
  const LabelledSetDescription d{.task = "image",
                                 .kind = InputKind::Pixels,
                                 .n_symbols = 256,
                                 .classes = {"cat", "dog"},
                                 .height = 3,
                                 .width = 5};
  write_labelled_set(directory / "set.h5", d, random_examples(4, 0, d, 8));
  const LabelledSet set(directory / "set.h5");
  const LabelledSetInfo& info = set.info();
  EXPECT_EQ(info.description.task, "image");
  EXPECT_EQ(info.description.kind, InputKind::Pixels);
  EXPECT_EQ(info.description.classes, d.classes);
  EXPECT_TRUE(info.description.symbols.empty());
  EXPECT_EQ(info.description.height, 3);
  EXPECT_EQ(info.shortest_input, 15u);
  EXPECT_EQ(info.n_tokens, 60u);
  EXPECT_EQ(info.provenance, "{\"made by\": \"the test\"}");
  std::ostringstream out;
  out << info;
  for (const char* part : {"set.h5", "image, 2 classes", "60 pixels", "3 x 5", "the test"}) {
    EXPECT_NE(out.str().find(part), std::string::npos) << part << " not in:\n" << out.str();
  }
}

TEST(LabelledSet, TheFileIsAsTheHeaderDescribesIt) {
  const TemporaryDirectory directory;
  write_labelled_set(directory / "set.h5", token_description(300, 2),
                     {{{{1, 2, 299}, {4}}, 2}, {{{5}, {6, 7}}, 0}});
  const Hdf5File file = Hdf5File::open(directory / "set.h5");
  EXPECT_EQ(file.info("tokens").type, Hdf5Type::U16);
  EXPECT_EQ(file.info("tokens").offset % 4096, 0u);
  EXPECT_EQ(file.read<std::int32_t>("tokens").values,
            (std::vector<std::int32_t>{1, 2, 299, 4, 5, 6, 7}));
  EXPECT_EQ(file.read<std::int64_t>("input_offsets").values,
            (std::vector<std::int64_t>{0, 3, 4, 5, 7}));
  EXPECT_EQ(file.read<std::int32_t>("labels").values, (std::vector<std::int32_t>{2, 0}));
  EXPECT_EQ(file.attribute<std::string>("/", "format"), "krait-labelled-set");
  EXPECT_EQ(file.attribute<std::string>("/", "names"),
            R"({"symbols":[],"classes":["no","yes","maybe"]})");
}

TEST(LabelledSet, EqualExamplesMakeEqualFilesAndOthersAnotherContentHash) {
  const TemporaryDirectory directory;
  const auto d = token_description();
  write_labelled_set(directory / "a.h5", d, {{{{1, 2}}, 0}, {{{3}}, 1}});
  write_labelled_set(directory / "b.h5", d, {{{{1, 2}}, 0}, {{{3}}, 1}});
  write_labelled_set(directory / "label.h5", d, {{{{1, 2}}, 0}, {{{3}}, 2}});
  write_labelled_set(directory / "offset.h5", d, {{{{1}}, 0}, {{{2, 3}}, 1}});
  EXPECT_EQ(file_sha256(directory / "a.h5"), file_sha256(directory / "b.h5"));
  const auto content = [&](const char* name) {
    return LabelledSet(directory / name).info().content_sha256;
  };
  EXPECT_NE(content("a.h5"), content("label.h5"));
  EXPECT_NE(content("a.h5"), content("offset.h5"));
}

class DamagedLabelledSet : public ::testing::Test {
 public:
  DamagedLabelledSet() {
    examples_ = random_examples(6, 90, token_description(257), 5);
    write_labelled_set(directory_ / "good.h5", token_description(257), examples_);
    good_ = read_file(directory_ / "good.h5");
  }
  enum class Outcome { RefusedOnOpen, RefusedByVerify, Unchanged };
  // What becomes of a file; a test failure when it passes verify() with other contents.
  Outcome read(const std::string& bytes) {
    write_quickly(directory_ / "bad.h5", bytes);
    bool opened = false;
    try {
      const LabelledSet set(directory_ / "bad.h5");
      opened = true;
      set.verify();
      EXPECT_EQ(all_examples(set), examples_);
      EXPECT_EQ(set.description().classes, token_description().classes);
      EXPECT_EQ(set.info().provenance, "{\"made by\": \"the test\"}");
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::BadData || error.kind() == ErrorKind::Io);
      EXPECT_NE(std::string_view(error.what()).find("bad.h5'"), std::string_view::npos)
          << error.what();
      return opened ? Outcome::RefusedByVerify : Outcome::RefusedOnOpen;
    }
    return Outcome::Unchanged;
  }
  std::uint64_t offset_of(const char* dataset) const {
    return Hdf5File::open(directory_ / "good.h5").info(dataset).offset;
  }

 protected:
  TemporaryDirectory directory_;
  Examples examples_;
  std::string good_;
};

TEST_F(DamagedLabelledSet, EveryTruncationIsRefusedOnOpen) {
  for (std::size_t n = 0; n < good_.size(); n += 41) {
    ASSERT_EQ(read(good_.substr(0, n)), Outcome::RefusedOnOpen);
  }
  ASSERT_EQ(read(good_.substr(0, good_.size() - 1)), Outcome::RefusedOnOpen);
}

TEST_F(DamagedLabelledSet, NoChangedBytesPassVerify) {
  const RandomStream random{.seed = 12};
  std::array<int, 3> counts{};
  for (std::uint64_t i = 0; i < 1500; ++i) {
    std::string bytes = good_;
    const Philox4 r = random.bits(i);
    for (std::uint32_t k = 0; k <= r[0] % 4; ++k) {
      const Philox4 where = random.bits((i << 8) + 1000 + k);
      // Half of the changes go to the used parts; the pages between them are empty.
      std::size_t at = where[0] % bytes.size();
      while (where[3] % 2 == 0 && at > 0 && bytes[at] == 0) --at;
      bytes[at] ^= static_cast<char>(1 + where[2] % 255);
    }
    ++counts.at(static_cast<std::size_t>(read(bytes)));
    if (HasFailure()) FAIL() << "at change " << i;
  }
  EXPECT_GT(counts[0], 100);  // the changes do reach what is checked
  EXPECT_GT(counts[1], 10);
}

TEST_F(DamagedLabelledSet, EveryChangedByteOfTokensOffsetsAndLabelsIsFound) {
  std::size_t n_tokens = 0;
  for (const Example& example : examples_) n_tokens += example.inputs[0].size();
  const auto expect_found = [&](std::uint64_t at, std::size_t size, Outcome outcome) {
    for (std::size_t i = 0; i < size; ++i) {
      std::string bytes = good_;
      bytes[at + i] ^= 0x01;
      ASSERT_EQ(read(bytes), outcome) << "byte " << i;
    }
  };
  expect_found(offset_of("tokens"), 2 * n_tokens, Outcome::RefusedByVerify);
  expect_found(offset_of("input_offsets"), 8 * (examples_.size() + 1), Outcome::RefusedOnOpen);
  expect_found(offset_of("labels"), 4 * examples_.size(), Outcome::RefusedOnOpen);
}

TEST_F(DamagedLabelledSet, AnIdThatIsNoSymbolIsNeverHandedOut) {
  std::string bytes = good_;
  bytes[offset_of("tokens") + 1] = 0x40;
  write_quickly(directory_ / "bad.h5", bytes);
  const LabelledSet set(directory_ / "bad.h5");
  expect_error(ErrorKind::BadData, {"bad.h5', 'tokens'", "below the 257 symbols"},
               [&] { all_examples(set); });
}

TEST_F(DamagedLabelledSet, OtherFilesAreRefusedWithAdvice) {
  EXPECT_TRUE(is_labelled_set(directory_ / "good.h5"));
  EXPECT_FALSE(is_labelled_set(directory_ / "none.h5"));
  EXPECT_FALSE(is_labelled_set(directory_.path()));
  write_quickly(directory_ / "text.h5", "not HDF5 at all");
  EXPECT_FALSE(is_labelled_set(directory_ / "text.h5"));
  Hdf5File::create(directory_ / "other.h5").close();
  EXPECT_FALSE(is_labelled_set(directory_ / "other.h5"));
  expect_error(ErrorKind::BadData, {"other.h5'", "not a labelled set", "krait data lra"},
               [&] { LabelledSet(directory_ / "other.h5"); });
  expect_error(ErrorKind::MissingInput, {"none.h5'"}, [&] { LabelledSet(directory_ / "none.h5"); });
}

// A set with any contents and hashes that fit them: what a broken writer could make.
struct ForgedSet {
  LabelledSetDescription description = token_description(257);
  std::string kind = "tokens";
  std::vector<std::uint16_t> tokens{1, 2, 256, 3, 256};
  std::vector<std::uint64_t> offsets{0, 3, 5};
  std::vector<std::int32_t> labels{2, 0};

  void write(const fs::path& path) const {
    const LabelledSetInfo info{.description = description,
                               .n_examples = labels.size(),
                               .n_tokens = tokens.size(),
                               .provenance = "{}"};
    const Sha256Digest digest = sha256(std::as_bytes(std::span(tokens)));
    const std::vector<std::uint8_t> hashes(digest.begin(), digest.end());
    Sha256 content = format::content_hash(info, hashes);
    content.update(std::as_bytes(std::span(offsets)));
    content.update(std::as_bytes(std::span(labels)));
    Hdf5File file = Hdf5File::create(path, format::kAlignment);
    const auto shape = [](const auto& v) { return Shape{static_cast<std::int64_t>(v.size())}; };
    file.write<std::uint16_t>("tokens", shape(tokens), tokens, Hdf5Layout::Contiguous);
    file.write<std::uint64_t>("input_offsets", shape(offsets), offsets, Hdf5Layout::Contiguous);
    file.write<std::int32_t>("labels", shape(labels), labels, Hdf5Layout::Contiguous);
    file.write<std::uint8_t>("block_hashes", {1, 32}, hashes);
    file.write_attribute("/", "format", "krait-labelled-set");
    file.write_attribute("/", "format_version", std::int64_t{1});
    file.write_attribute("/", "task", description.task);
    file.write_attribute("/", "input_kind", kind);
    file.write_attribute("/", "n_symbols", description.n_symbols);
    file.write_attribute("/", "inputs_per_example", description.inputs_per_example);
    file.write_attribute("/", "height", description.height);
    file.write_attribute("/", "width", description.width);
    file.write_attribute("/", "names", format::names_json(description));
    file.write_attribute("/", "provenance", "{}");
    file.write_attribute("/", "content_sha256", content.hex());
    file.close();
  }
};

TEST(ForgedLabelledSet, IsRefusedForWhatCannotBe) {
  const TemporaryDirectory directory;
  const auto path = directory / "forged.h5";
  ForgedSet{}.write(path);
  EXPECT_EQ(LabelledSet(path).length(0), 3u);
  const auto expect_refused = [&](const ForgedSet& set, std::string_view part) {
    set.write(path);
    expect_error(ErrorKind::BadData, {"forged.h5'", part}, [&] { LabelledSet refused(path); });
  };
  expect_refused({.offsets = {0, 5, 5}}, "must rise from 0 to the 5 tokens");
  expect_refused({.offsets = {0, 3, 6}}, "must rise from 0 to the 5 tokens");
  expect_refused({.offsets = {1, 3, 5}}, "must rise from 0 to the 5 tokens");
  expect_refused({.offsets = {0, 9000000, 5}}, "must rise from 0 to the 5 tokens");
  expect_refused({.offsets = {0, 2, 3, 5}}, "2 examples of 1 inputs cannot have 3");
  expect_refused({.labels = {2, 3}}, "label 3 of example 1 must be 0 to 2");
  expect_refused({.labels = {-1, 0}}, "label -1 of example 0 must be 0 to 2");
  expect_refused({.kind = "sound"}, "input_kind 'sound'");
  auto description = token_description(0);
  expect_refused({.description = description}, "n_symbols 0");
  description = token_description(257, 3);
  expect_refused({.description = description}, "inputs_per_example 3");
  description = token_description(257);
  description.symbols = {"a"};
  expect_refused({.description = description}, "1 names for 257 symbols");
  description = token_description(257);
  description.classes.clear();
  expect_refused({.description = description}, "0 classes");
  description = {.task = "t",
                 .kind = InputKind::Pixels,
                 .n_symbols = 256,
                 .classes = {"a", "b", "c"},
                 .height = 2,
                 .width = 2};
  expect_refused({.description = description, .kind = "pixels"}, "must be contiguous u8");
}

}  // namespace
}  // namespace krait
