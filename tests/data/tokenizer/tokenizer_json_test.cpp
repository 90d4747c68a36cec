#include "data/tokenizer/tokenizer_json.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/tokenizer/byte_alphabet.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using nlohmann::json;

/// A sound file with the 256 bytes and one merge.
json sound() {
  json vocab;
  for (int byte = 0; byte < 256; ++byte) {
    vocab[to_byte_alphabet(std::string(1, static_cast<char>(byte)))] = byte;
  }
  vocab["ab"] = 256;
  json file;
  file["added_tokens"] =
      json::array({{{"id", 257}, {"content", "<|endoftext|>"}, {"special", true}}});
  file["normalizer"] = {{"type", "NFC"}};
  file["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  file["decoder"] = {{"type", "ByteLevel"}};
  file["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b"}}};
  return file;
}

TokenizerJson parse(const json& file) {
  return parse_tokenizer_json(file.dump(), "'t.json'");
}

TEST(TokenizerJson, IsRead) {
  const TokenizerJson t = parse(sound());
  EXPECT_EQ(t.vocabulary.tokens.size(), 257u);
  ASSERT_EQ(t.vocabulary.merges.size(), 1u);
  EXPECT_EQ(t.vocabulary.merges[0].left, 'a');
  EXPECT_EQ(t.vocabulary.merges[0].right, 'b');
  EXPECT_EQ(t.vocabulary.merges[0].result, 256);
  EXPECT_EQ(t.token_bytes.size(), 258u);
  EXPECT_EQ(t.token_bytes[10], "\n");
  EXPECT_EQ(t.token_bytes[257], "<|endoftext|>");
  ASSERT_EQ(t.added_tokens.size(), 1u);
  EXPECT_TRUE(t.added_tokens[0].special);
  EXPECT_FALSE(t.added_tokens[0].normalized);
  EXPECT_TRUE(t.nfc);
  EXPECT_EQ(t.pre_tokenizer.pattern, PreTokenPattern::Gpt2);
  EXPECT_EQ(t.pre_tokenizer.prefix_space, PrefixSpace::None);
}

TEST(TokenizerJson, MergesMayBePairsOrText) {
  json file = sound();
  file["model"]["merges"] = json::array({json::array({"a", "b"})});
  EXPECT_EQ(parse(file).vocabulary.merges[0].result, 256);
  file["model"]["merges"] = {"#version: 0.2", "a b"};
  EXPECT_EQ(parse(file).vocabulary.merges.size(), 1u);
}

TEST(TokenizerJson, FieldsThatDoNothingHereAreTaken) {
  json file = sound();
  json& model = file["model"];
  model["unk_token"] = "<unk>";
  model["byte_fallback"] = true;
  model["continuing_subword_prefix"] = "";
  model["dropout"] = 0.0;
  model.erase("type");
  file["post_processor"] = {{"type", "TemplateProcessing"}};
  file["truncation"] = {{"max_length", 5}};
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  EXPECT_FALSE(parse(file).nfc);
  file.erase("normalizer");
  EXPECT_FALSE(parse(file).nfc);
}

TEST(TokenizerJson, ASplitAndByteLevelCutTogether) {
  json file = sound();
  const std::string regex(regex_of(PreTokenPattern::Llama3));
  const json split{{"type", "Split"},
                   {"pattern", {{"Regex", regex}}},
                   {"behavior", "Isolated"},
                   {"invert", false}};
  const json bytes{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
  const PreTokenizer pre = parse(file).pre_tokenizer;
  EXPECT_EQ(pre.pattern, PreTokenPattern::Llama3);
  EXPECT_EQ(pre.prefix_space, PrefixSpace::BeforePreTokens);
  file["pre_tokenizer"] = bytes;
  EXPECT_EQ(parse(file).pre_tokenizer.pattern, PreTokenPattern::Whole);
  EXPECT_EQ(parse(file).pre_tokenizer.prefix_space, PrefixSpace::BeforeText);
}

/// One change to the sound file that makes it unreadable, and what the message must name.
struct Fault {
  const char* pointer;
  json value;
  std::vector<std::string> named;
};

TEST(TokenizerJson, WhatIsNotReadIsRefusedByName) {
  const json three_splits = {{"type", "Sequence"},
                             {"pretokenizers", {{{"type", "Digits"}}, {{"type", "ByteLevel"}}}}};
  const json odd_split = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "\\w+"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  const Fault faults[] = {
      {"/model", nullptr, {"no 'model'"}},
      {"/model", 5, {"model must be an object"}},
      {"/pre_tokenizer", nullptr, {": the file has no 'pre_tokenizer'."}},
      {"/model/type", "WordPiece", {"model.type 'WordPiece'"}},
      {"/model/dropout", 0.1, {"model.dropout 0.1"}},
      {"/model/end_of_word_suffix", "</w>", {"model.end_of_word_suffix"}},
      {"/model/vocab", json::array(), {"model.vocab must be an object"}},
      {"/model/vocab/a", -1, {"'a' the id -1"}},
      {"/model/vocab/a", 2'000'000'000, {"'a' the id 2000000000"}},
      {"/model/vocab/a", 1.5, {"'a' the id 1.5"}},
      {"/model/vocab/a", 98, {"the id 98"}},
      {"/model/merges", "a b", {"model.merges must be an array"}},
      {"/model/merges/0", "a c", {"model.merges[0]", "a c"}},
      {"/model/merges/0", "ab", {"model.merges[0]"}},
      {"/model/merges/0", "a b c", {"model.merges[0]"}},
      {"/model/merges/0", {"a"}, {"model.merges[0]"}},
      {"/model/merges/0", 7, {"model.merges[0]"}},
      {"/model/ignore_merges", "yes", {"model.ignore_merges must be true or false"}},
      {"/normalizer", {{"type", "Lowercase"}}, {"normalizer.type 'Lowercase'"}},
      {"/normalizer", "NFC", {"normalizer must be an object"}},
      {"/pre_tokenizer", nullptr, {"no 'pre_tokenizer'"}},
      {"/pre_tokenizer/type", "Metaspace", {"pre_tokenizer.type 'Metaspace'"}},
      {"/pre_tokenizer", three_splits, {"pre_tokenizer.pretokenizers[0].type 'Digits'"}},
      {"/pre_tokenizer", odd_split, {"pretokenizers[0].pattern.Regex '\\\\w+'"}},
      {"/decoder", nullptr, {"no 'decoder'"}},
      {"/decoder/type", "Metaspace", {"decoder.type 'Metaspace'"}},
      {"/added_tokens", 3, {"added_tokens must be an array"}},
      {"/added_tokens/0/content", 3, {"added_tokens[0].content must be a string"}},
      {"/added_tokens/0/id", 258, {"added_tokens[0].id", "is 258", "it is 257"}},
      {"/added_tokens/0/lstrip", 1, {"added_tokens[0].lstrip must be true or false"}},
      {"/added_tokens/0/content", std::string(2000, 'x'), {"2000 bytes"}},
  };
  for (const Fault& fault : faults) {
    json file = sound();
    file[json::json_pointer(fault.pointer)] = fault.value;
    std::vector<std::string> named = fault.named;
    named.emplace_back("'t.json'");
    SCOPED_TRACE(fault.pointer);
    try {
      parse(file);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadData) << error.what();
      for (const std::string& part : named) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
            << part << " not in: " << error.what();
      }
    }
  }
}

TEST(TokenizerJson, UnknownTokensAreRefusedWhereBytesAreMissing) {
  json file = sound();
  file["model"]["vocab"].erase("x");
  file["model"]["vocab"]["ab"] = 'x';
  file["added_tokens"][0]["id"] = 256;
  EXPECT_NO_THROW(parse(file));
  file["model"]["unk_token"] = "a";
  expect_error(ErrorKind::BadData, {"model.unk_token"}, [&] { parse(file); });
  file["model"]["unk_token"] = nullptr;
  file["model"]["byte_fallback"] = true;
  expect_error(ErrorKind::BadData, {"model.byte_fallback"}, [&] { parse(file); });
}

TEST(TokenizerJson, DamagedFilesAreBadData) {
  const std::string good = sound().dump();
  for (std::size_t n = 0; n < good.size(); n += 7) {
    EXPECT_THROW(parse_tokenizer_json(good.substr(0, n), "x"), Error) << n;
  }
  for (const std::string& text : {std::string(), std::string("[]"), std::string("1e999"),
                                  std::string("{\"model\": \"\xff\"}"), std::string(100'000, '['),
                                  std::string(100'000, '{')}) {
    expect_error(ErrorKind::BadData, {"'x'"}, [&] { parse_tokenizer_json(text, "'x'"); });
  }
}

TEST(TokenizerJson, AnAddedTokenThatIsThereTwiceMustBeTheSame) {
  json file = sound();
  file["added_tokens"].push_back(file["added_tokens"][0]);
  EXPECT_EQ(parse(file).added_tokens.size(), 1u);
  file["added_tokens"][1]["rstrip"] = true;
  expect_error(ErrorKind::BadData, {"added_tokens[1]", "different flags"}, [&] { parse(file); });
}

}  // namespace
}  // namespace krait
