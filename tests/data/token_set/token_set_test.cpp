#include "data/token_set/token_set.h"

#include <sstream>

#include <gtest/gtest.h>
#include <hdf5.h>

#include "core/random.h"
#include "data/hdf5/hdf5.h"
#include "data/token_set/format.h"
#include "tests/data/build/sample_documents.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

/// A vocabulary of any size, to reach every token type.
class SizedTokenizer final : public Tokenizer {
 public:
  explicit SizedTokenizer(std::int64_t vocab_size) : vocab_size_(vocab_size) {}
  std::int64_t vocab_size() const override { return vocab_size_; }
  std::vector<std::int32_t> encode(std::string_view) const override { return {}; }
  std::string decode(std::span<const std::int32_t>) const override { return {}; }
  std::int32_t end_of_document() const override {
    return static_cast<std::int32_t>(vocab_size_ - 1);
  }
  TokenizerIdentity identity() const override { return {"sized", std::to_string(vocab_size_)}; }
  std::size_t safe_cut(std::string_view) const override { return 0; }

 private:
  std::int64_t vocab_size_;
};

/// Bytes, with a definition to keep.
class DefinedTokenizer final : public Tokenizer {
 public:
  std::int64_t vocab_size() const override { return 257; }
  std::vector<std::int32_t> encode(std::string_view text) const override {
    return ByteTokenizer().encode(text);
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    return ByteTokenizer().decode(ids);
  }
  std::int32_t end_of_document() const override { return 256; }
  TokenizerIdentity identity() const override {
    return {.name = "defined", .sha256 = sha256_hex(definition()), .end_of_document = 256};
  }
  std::string_view definition() const override { return R"({"any": "text \u00e9"})"; }
  std::size_t safe_cut(std::string_view text) const override { return text.size(); }
};

TEST(TokenSet, KeepsTheDefinitionOfItsTokenizer) {
  const TemporaryDirectory directory;
  const DefinedTokenizer tokenizer;
  write_set(directory / "set.h5", tokenizer, {{1, 2}, {3}});
  const TokenSet set(directory / "set.h5");
  EXPECT_EQ(set.info().tokenizer, tokenizer.identity());
  EXPECT_EQ(set.tokenizer_definition(), tokenizer.definition());
  set.verify();
  write_set(directory / "plain.h5", ByteTokenizer(), {{1, 2}, {3}});
  EXPECT_EQ(TokenSet(directory / "plain.h5").tokenizer_definition(), "");
  EXPECT_FALSE(Hdf5File::open(directory / "plain.h5").has("tokenizer_json"));
}

TEST(TokenSet, WhatIsWrittenIsReadInEveryTokenType) {
  const TemporaryDirectory directory;
  for (const std::int64_t vocab : {2, 256, 257, 65536, 65537, 2'000'000}) {
    const SizedTokenizer tokenizer(vocab);
    const Documents documents = random_documents(40, 100, vocab, 3);
    write_set(directory / "set.h5", tokenizer, documents);
    const TokenSet set(directory / "set.h5");
    EXPECT_EQ(set.info().token_bytes, vocab <= 256 ? 1 : vocab <= 65536 ? 2 : 4) << vocab;
    EXPECT_EQ(set.info().vocab_size, vocab);
    EXPECT_EQ(set.info().tokenizer, tokenizer.identity());
    EXPECT_EQ(set.info().end_of_document, vocab - 1);
    EXPECT_EQ(set.info().provenance, "{\"made by\": \"the test\"}");
    ASSERT_EQ(set.n_documents(), documents.size());
    EXPECT_EQ(all_tokens(set), flat(documents, tokenizer.end_of_document()));
    const auto offsets = set.document_offsets();
    for (std::size_t i = 0; i < documents.size(); ++i) {
      std::vector<std::int32_t> tokens(offsets[i + 1] - offsets[i] - 1);
      set.copy(offsets[i], tokens);
      EXPECT_EQ(tokens, documents[i]) << i;
    }
    set.verify();
  }
  EXPECT_EQ(directory.entries(), 1u) << "temporary files were left";
}

TEST(TokenSet, BlocksAndOffsetsPastOneBufferAreRight) {
  const TemporaryDirectory directory;
  const ByteTokenizer tokenizer;
  // Two full blocks and a part; more documents than the writer buffers.
  const Documents documents = random_documents(70'000, 66, 257, 4);
  write_set(directory / "set.h5", tokenizer, documents);
  const TokenSet set(directory / "set.h5");
  ASSERT_GT(set.n_tokens(), 2 * token_set_format::kBlockTokens);
  EXPECT_EQ(set.n_documents(), 70'000u);
  EXPECT_EQ(all_tokens(set), flat(documents, 256));
  std::uint64_t reported = 0;
  set.verify([&](std::uint64_t tokens) { reported = tokens; });
  EXPECT_EQ(reported, set.n_tokens());
}

TEST(TokenSet, ASetOfExactlyOneBlockIsRight) {
  const TemporaryDirectory directory;
  const Documents documents{std::vector<std::int32_t>(token_set_format::kBlockTokens - 1, 7)};
  write_set(directory / "set.h5", ByteTokenizer(), documents);
  const TokenSet set(directory / "set.h5");
  EXPECT_EQ(set.n_tokens(), token_set_format::kBlockTokens);
  set.verify();
}

TEST(TokenSet, TokensLieAtAPageBoundaryInLittleEndian) {
  const TemporaryDirectory directory;
  write_set(directory / "set.h5", ByteTokenizer(), {{1, 2, 3}, {}});
  const Hdf5File file = Hdf5File::open(directory / "set.h5");
  const Hdf5DatasetInfo info = file.info("tokens");
  EXPECT_EQ(info.type, Hdf5Type::U16);
  EXPECT_TRUE(info.contiguous);
  EXPECT_EQ(info.offset % 4096, 0u);
  EXPECT_EQ(file.read<std::int32_t>("tokens").values,
            (std::vector<std::int32_t>{1, 2, 3, 256, 256}));
  EXPECT_EQ(file.read<std::int64_t>("document_offsets").values,
            (std::vector<std::int64_t>{0, 4, 5}));
  EXPECT_EQ(file.info("block_hashes").shape, (Shape{1, 32}));
}

TEST(TokenSet, EqualDocumentsMakeEqualFilesAndOthersAnotherContentHash) {
  const TemporaryDirectory directory;
  write_set(directory / "a.h5", ByteTokenizer(), {{1, 2}, {3}});
  write_set(directory / "b.h5", ByteTokenizer(), {{1, 2}, {3}});
  write_set(directory / "c.h5", ByteTokenizer(), {{1, 2}, {4}});
  write_set(directory / "d.h5", ByteTokenizer(), {{1, 2, 3}});
  EXPECT_EQ(file_sha256(directory / "a.h5"), file_sha256(directory / "b.h5"));
  const auto content = [&](const char* name) {
    return TokenSet(directory / name).info().content_sha256;
  };
  EXPECT_NE(content("a.h5"), content("c.h5"));
  EXPECT_NE(content("a.h5"), content("d.h5"));
}

TEST(TokenSet, InfoIsPrintedWithEveryField) {
  const TemporaryDirectory directory;
  write_set(directory / "set.h5", ByteTokenizer(), {{1, 2, 3}, {}});
  std::ostringstream out;
  out << TokenSet(directory / "set.h5").info();
  for (const char* part :
       {"set.h5", "5 of 16 bits", "2, 1 to 4 tokens", "byte", "257", "the test"}) {
    EXPECT_NE(out.str().find(part), std::string::npos) << part << " not in:\n" << out.str();
  }
}

class DamagedTokenSet : public ::testing::Test {
 public:
  DamagedTokenSet() {
    documents_ = random_documents(6, 90, 257, 5);
    write_set(directory_ / "good.h5", ByteTokenizer(), documents_);
    good_ = read_file(directory_ / "good.h5");
    tokens_at_ = Hdf5File::open(directory_ / "good.h5").info("tokens").offset;
  }
  enum class Outcome { RefusedOnOpen, RefusedByVerify, Unchanged };
  // What becomes of a file; a test failure when it passes verify() with other contents.
  Outcome read(const std::string& bytes) {
    write_quickly(directory_ / "bad.h5", bytes);
    bool opened = false;
    try {
      const TokenSet set(directory_ / "bad.h5");
      opened = true;
      set.verify();
      EXPECT_EQ(all_tokens(set), flat(documents_, 256));
      EXPECT_EQ(set.n_documents(), documents_.size());
      EXPECT_EQ(set.info().provenance, "{\"made by\": \"the test\"}");
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::BadData || error.kind() == ErrorKind::Io);
      EXPECT_NE(std::string_view(error.what()).find("bad.h5'"), std::string_view::npos)
          << error.what();
      return opened ? Outcome::RefusedByVerify : Outcome::RefusedOnOpen;
    }
    return Outcome::Unchanged;
  }
  void report(std::span<const Outcome> outcomes) {
    int counts[3] = {};
    for (const Outcome outcome : outcomes) ++counts[static_cast<int>(outcome)];
    std::cout << counts[0] << " refused on open, " << counts[1] << " by verify, " << counts[2]
              << " unchanged, 0 silently wrong\n";
  }

 protected:
  TemporaryDirectory directory_;
  Documents documents_;
  std::string good_;
  std::uint64_t tokens_at_ = 0;
};

TEST_F(DamagedTokenSet, EveryTruncationIsRefusedOnOpen) {
  std::vector<Outcome> outcomes;
  for (std::size_t n = 0; n < good_.size(); n += 29) outcomes.push_back(read(good_.substr(0, n)));
  outcomes.push_back(read(good_.substr(0, good_.size() - 1)));
  for (const Outcome outcome : outcomes) ASSERT_EQ(outcome, Outcome::RefusedOnOpen);
  report(outcomes);
}

TEST_F(DamagedTokenSet, NoChangedBytesPassVerify) {
  const RandomStream random{.seed = 12};
  std::vector<Outcome> outcomes;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    std::string bytes = good_;
    const Philox4 r = random.bits(i);
    for (std::uint32_t k = 0; k <= r[0] % 4; ++k) {
      const Philox4 where = random.bits((i << 8) + 1000 + k);
      // Half of the changes go to the used parts; the pages between them are empty.
      std::size_t at = where[0] % bytes.size();
      while (where[3] % 2 == 0 && at > 0 && bytes[at] == 0) --at;
      bytes[at] ^= static_cast<char>(1 + where[2] % 255);
    }
    outcomes.push_back(read(bytes));
    if (HasFailure()) FAIL() << "at change " << i;
  }
  report(outcomes);
}

TEST_F(DamagedTokenSet, EveryChangedByteOfTheTokensIsFoundByVerify) {
  const std::size_t n = flat(documents_, 256).size() * 2;
  for (std::size_t i = 0; i < n; ++i) {
    std::string bytes = good_;
    bytes[tokens_at_ + i] ^= 0x01;
    ASSERT_EQ(read(bytes), Outcome::RefusedByVerify) << "byte " << i;
  }
}

TEST_F(DamagedTokenSet, EveryChangedByteOfTheOffsetsIsFoundOnOpen) {
  const std::uint64_t at = Hdf5File::open(directory_ / "good.h5").info("document_offsets").offset;
  for (std::size_t i = 0; i < 8 * (documents_.size() + 1); ++i) {
    std::string bytes = good_;
    bytes[at + i] ^= 0x01;
    ASSERT_EQ(read(bytes), Outcome::RefusedOnOpen) << "byte " << i;
  }
}

TEST_F(DamagedTokenSet, VerifyNamesTheBlock) {
  std::vector<std::int32_t> document(2 * token_set_format::kBlockTokens + 10, 65);
  write_set(directory_ / "large.h5", ByteTokenizer(), {document});
  std::string bytes = read_file(directory_ / "large.h5");
  const auto at = Hdf5File::open(directory_ / "large.h5").info("tokens").offset;
  bytes[at + 2 * (token_set_format::kBlockTokens + 3)] = 'B';
  write_quickly(directory_ / "large.h5", bytes);
  expect_error(ErrorKind::BadData,
               {"large.h5', 'tokens'", "block 1 (tokens 1048576 to 2097151)", "rebuild it"},
               [&] { TokenSet(directory_ / "large.h5").verify(); });
}

TEST_F(DamagedTokenSet, AnIdOutsideTheVocabularyIsNeverHandedOut) {
  std::string bytes = good_;
  bytes[tokens_at_ + 1] = 0x40;
  write_quickly(directory_ / "bad.h5", bytes);
  const TokenSet set(directory_ / "bad.h5");
  expect_error(ErrorKind::BadData, {"bad.h5', 'tokens'", "outside the vocabulary of 257"},
               [&] { all_tokens(set); });
}

TEST_F(DamagedTokenSet, OtherFilesAreRefusedWithAdvice) {
  write_quickly(directory_ / "text.h5", "not HDF5 at all");
  expect_error(ErrorKind::BadData, {"text.h5'", "open it as an HDF5 file"},
               [&] { TokenSet(directory_ / "text.h5"); });
  Hdf5File::create(directory_ / "other.h5").close();
  expect_error(ErrorKind::BadData, {"other.h5'", "not a token set", "krait data build"},
               [&] { TokenSet(directory_ / "other.h5"); });
  expect_error(ErrorKind::MissingInput, {"none.h5'"}, [&] { TokenSet(directory_ / "none.h5"); });
  std::filesystem::create_directory(directory_ / "empty");
  expect_error(ErrorKind::BadData, {"empty' holds no .h5 file"},
               [&] { TokenSet(directory_ / "empty"); });
}

TEST_F(DamagedTokenSet, AnEditedDefinitionOfTheTokenizerIsRefused) {
  const std::string path = directory_ / "defined.h5";
  write_set(path, DefinedTokenizer(), documents_);
  EXPECT_EQ(TokenSet(path).tokenizer_definition(), DefinedTokenizer().definition());
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t dataset = H5Dopen(file, "tokenizer_json", H5P_DEFAULT);
  std::vector<std::uint8_t> text(DefinedTokenizer().definition().size(), ' ');
  H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data());
  H5Dclose(dataset);
  H5Fclose(file);
  expect_error(ErrorKind::BadData, {"defined.h5', 'tokenizer_json'", "'defined'"},
               [&] { TokenSet set(path); });
}

TEST_F(DamagedTokenSet, ANewerFormatSaysToUpdate) {
  const std::string path = directory_ / "good.h5";
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(file, "format_version", H5P_DEFAULT);
  const std::int64_t version = 2;
  H5Awrite(attribute, H5T_NATIVE_INT64, &version);
  H5Aclose(attribute);
  H5Fclose(file);
  expect_error(ErrorKind::BadData, {"format version 2", "update Krait"},
               [&] { TokenSet set(path); });
}

TEST_F(DamagedTokenSet, AnEditedAttributeIsRefused) {
  const std::string path = directory_ / "good.h5";
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(file, "vocab_size", H5P_DEFAULT);
  const std::int64_t vocab = 300;
  H5Awrite(attribute, H5T_NATIVE_INT64, &vocab);
  H5Aclose(attribute);
  H5Fclose(file);
  expect_error(ErrorKind::BadData, {"good.h5'", "content_sha256"}, [&] { TokenSet set(path); });
}

// A set with any contents and hashes that fit them: what a broken writer could make.
struct ForgedSet {
  std::vector<std::uint16_t> tokens{1, 2, 256, 3, 256};
  std::vector<std::uint64_t> offsets{0, 3, 5};
  std::int64_t end_of_document = 256;
  std::int64_t vocab_size = 257;
  Hdf5Layout layout = Hdf5Layout::Contiguous;

  void write(const fs::path& path) const {
    TokenSetInfo info{.tokenizer = ByteTokenizer().identity(),
                      .vocab_size = vocab_size,
                      .end_of_document = static_cast<std::int32_t>(end_of_document),
                      .n_tokens = tokens.size(),
                      .n_documents = offsets.size() - 1,
                      .provenance = "{}"};
    const Sha256Digest digest = sha256(std::as_bytes(std::span(tokens)));
    const std::vector<std::uint8_t> hashes(digest.begin(), digest.end());
    Sha256 content = token_set_format::content_hash(info, hashes);
    content.update(std::as_bytes(std::span(offsets)));
    Hdf5File file = Hdf5File::create(path, 4096);
    file.write<std::uint16_t>("tokens", {static_cast<std::int64_t>(tokens.size())}, tokens, layout);
    file.write<std::uint64_t>("document_offsets", {static_cast<std::int64_t>(offsets.size())},
                              offsets, Hdf5Layout::Contiguous);
    file.write<std::uint8_t>("block_hashes", {1, 32}, hashes);
    file.write_attribute("/", "format", token_set_format::kFormat);
    file.write_attribute("/", "format_version", token_set_format::kVersion);
    file.write_attribute("/", "tokenizer", info.tokenizer.json());
    file.write_attribute("/", "vocab_size", vocab_size);
    file.write_attribute("/", "end_of_document", end_of_document);
    file.write_attribute("/", "provenance", info.provenance);
    file.write_attribute("/", "content_sha256", content.hex());
    file.close();
  }
};

TEST(ForgedTokenSet, WithSoundContentsIsAccepted) {
  const TemporaryDirectory directory;
  ForgedSet{}.write(directory / "set.h5");
  TokenSet(directory / "set.h5").verify();
}

TEST(ForgedTokenSet, StructureIsCheckedOnOpen) {
  const TemporaryDirectory directory;
  const std::pair<ForgedSet, const char*> forged[] = {
      {{.offsets = {0, 3, 4}}, "'document_offsets': must rise from 0 to the 5 tokens"},
      {{.offsets = {1, 3, 5}}, "'document_offsets'"},
      {{.offsets = {0, 3, 3, 5}}, "'document_offsets'"},
      {{.offsets = {0, 9, 5}}, "'document_offsets'"},
      {{.offsets = {5}}, "'document_offsets'"},
      {{.end_of_document = 257}, "vocab_size 257 and end_of_document 257"},
      {{.end_of_document = -1}, "end_of_document -1"},
      {{.vocab_size = 70'000}, "'tokens': must be contiguous u32"},
      {{.vocab_size = -5}, "vocab_size -5"},
      {{.layout = Hdf5Layout::Checksummed}, "'tokens': must be contiguous u16"},
      {{.tokens = {}, .offsets = {0, 0}}, "'tokens'"},
  };
  for (const auto& [set, why] : forged) {
    set.write(directory / "set.h5");
    expect_error(ErrorKind::BadData, {"set.h5'", why}, [&] { TokenSet(directory / "set.h5"); });
  }
}

TEST(ForgedTokenSet, TokensAreCheckedByVerify) {
  const TemporaryDirectory directory;
  ForgedSet{.tokens = {1, 2, 256, 3, 4}}.write(directory / "set.h5");
  expect_error(ErrorKind::BadData, {"document 1 does not end with token 256"},
               [&] { TokenSet(directory / "set.h5").verify(); });
  ForgedSet{.tokens = {1, 300, 256, 3, 256}}.write(directory / "set.h5");
  expect_error(ErrorKind::BadData, {"id 300"}, [&] { TokenSet(directory / "set.h5").verify(); });
}

}  // namespace
}  // namespace krait
