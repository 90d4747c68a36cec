#include "train/evaluate/perplexity.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <numeric>

#include <gtest/gtest.h>

#include "core/system/parallel.h"
#include "data/token_set/writer.h"
#include "tests/support/device.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_model.h"
#include "train/evaluate/perplexity_evaluator.h"

namespace krait {
namespace {

using Protocol = PerplexityProtocol;
constexpr std::int32_t kEnd = 18;  // the end-of-document token of these tests
constexpr Protocol kProtocols[] = {Protocol::Blocks, Protocol::Document, Protocol::Sliding,
                                   Protocol::LmEval};

/// A corpus held in memory, of documents of the given lengths.
struct Documents {
  std::vector<std::int32_t> x{kEnd};
  std::vector<std::uint64_t> ends{0};
  explicit Documents(const std::vector<std::size_t>& lengths) {
    for (const std::size_t n : lengths) {
      const auto ids = random_tokens(n, kEnd, 100 + ends.size());
      x.insert(x.end(), ids.begin(), ids.end());
      ends.push_back(x.size());
      x.push_back(kEnd);
    }
  }
  Corpus corpus() const {
    return {.ends = ends, .copy = [this](std::uint64_t first, std::span<std::int32_t> out) {
              std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(first), out.size(), out.begin());
            }};
  }
  std::uint64_t text_tokens() const { return x.size() - ends.size(); }
};

PerplexityOptions options(Protocol protocol, std::uint64_t length, std::uint64_t stride = 1) {
  return {.windowing = {.protocol = protocol, .length = length, .stride = stride}};
}

/// ln p(x[target] | x[begin, target)).
double log_probability(const LanguageModel& model, const std::vector<std::int32_t>& x,
                       std::uint64_t begin, std::uint64_t target) {
  return next_log_probabilities(
      model, std::span(x).subspan(begin, target - begin))[static_cast<std::size_t>(x[target])];
}

TEST(Perplexity, AModelOfZerosGivesEveryTokenOneOfThePaddedVocabulary) {
  const LanguageModel model(tiny_config(DType::F64));
  for (const Variable& v : model.variables()) v.value().zero();
  const Documents documents({5, 0, 23, 1});
  for (const Protocol protocol : kProtocols) {
    const PerplexityScore score = score_corpus(model, documents.corpus(), options(protocol, 4));
    EXPECT_EQ(score.n_tokens, 29u);
    EXPECT_NEAR(score.loglikelihood, -29 * std::log(24), 1e-12);  // rounding of 29 sums
  }
}

TEST(Perplexity, EveryProtocolScoresEachTokenGivenExactlyItsContext) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents d({9, 14, 1, 6});
  for (const Protocol protocol : kProtocols) {
    for (const bool reset : {true, false}) {
      PerplexityOptions o = options(protocol, 5, 2);
      o.reset_at_documents = reset;
      // The definitions, token by token: where does the context of x[t] begin?
      double expected = 0;
      std::uint64_t document = 0;
      for (std::uint64_t t = 1; t + 1 < d.x.size(); ++t) {
        if (d.x[t] == kEnd) {
          document = t;
          continue;
        }
        const std::uint64_t in_document = t - document;  // from 1
        const std::uint64_t n = *std::ranges::upper_bound(d.ends, t) - document - 1;
        std::uint64_t begin = document;  // Document: all of it
        if (protocol == Protocol::Blocks) {
          begin = (t - 1) / 5 * 5;
          if (reset) begin = std::max(begin, document);
        } else if (protocol == Protocol::Sliding) {
          // windows x[2i, 2i + 5): the first that holds t predicts it
          begin = t < 5 ? 0 : (t - 5 + 2) / 2 * 2;
        } else if (protocol == Protocol::LmEval) {
          const std::uint64_t block = (in_document - 1) / 5 * 5;
          const bool last_and_short = block + 5 > n && block > 0;
          begin = document + (last_and_short ? n - 5 : block);
        }
        expected += log_probability(model, d.x, begin, t);
      }
      const PerplexityScore score = score_corpus(model, d.corpus(), o);
      EXPECT_EQ(score.n_tokens, d.text_tokens());
      // f64, sums of 30 terms; the convolution and scan run in other chunks
      EXPECT_NEAR(score.loglikelihood, expected, 1e-10) << name_of(protocol) << " reset " << reset;
    }
  }
}

DEVICE_TEST(Perplexity, TheDigitsDependNeitherOnTheBatchNorOnTheThreads) {
  ModelConfig config = tiny_config(DType::F32);
  config.d_model = 72;  // matrix products of several blocks, whose rows round differently by shape
  const LanguageModel model(config);
  initialise_tiny(model);
  model.place(testing::test_device());
  const Documents documents({61, 190, 3, 0, 77});
  const int threads_before = thread_count();
  for (const Protocol protocol : kProtocols) {
    std::vector<std::uint64_t> bits;
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      for (const std::int64_t batch : {1, 3, 8}) {
        PerplexityOptions o = options(protocol, 37, 11);
        o.scoring.batch = batch;
        const PerplexityScore score = score_corpus(model, documents.corpus(), o);
        bits.push_back(std::bit_cast<std::uint64_t>(score.loglikelihood));
        for (const ContextBucket& b : score.by_context)
          bits.back() ^= std::bit_cast<std::uint64_t>(b.mean_loss);
      }
    }
    EXPECT_EQ(bits, std::vector(bits.size(), bits.front()));
  }
  set_thread_count(threads_before);
}

TEST(Perplexity, ManyRowsInOnePassScoreAsEachByItself) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents documents({61, 9, 33, 0, 1, 47, 48, 12});
  for (const Protocol protocol : kProtocols) {
    PerplexityOptions o = options(protocol, 12, 5);
    const PerplexityScore alone = score_corpus(model, documents.corpus(), o);
    for (const std::int64_t tokens : {1, 24, 40, 61, 10000}) {
      o.scoring.forward_tokens = tokens;
      const PerplexityScore together = score_corpus(model, documents.corpus(), o);
      EXPECT_EQ(together.n_tokens, alone.n_tokens);
      EXPECT_NEAR(together.loglikelihood, alone.loglikelihood, 1e-10);  // f64, sums of 211 terms
      ASSERT_EQ(together.by_context.size(), alone.by_context.size());
      for (std::size_t i = 0; i < alone.by_context.size(); ++i) {
        EXPECT_EQ(together.by_context[i].n_tokens, alone.by_context[i].n_tokens);
        EXPECT_NEAR(together.by_context[i].mean_loss, alone.by_context[i].mean_loss, 1e-12);
      }
    }
  }
}

TEST(GpuPerplexity, AgreesWithTheCpu) {
  KRAIT_SKIP_WITHOUT_GPU();
  const Documents documents({5, 0, 23, 1, 40, 23, 64});
  ModelConfig mixed = tiny_config(DType::F32);
  mixed.compute = DType::BF16;
  const LanguageModel cpu(tiny_config(DType::F64)), f32(tiny_config(DType::F32)), bf16(mixed);
  for (const LanguageModel* model : {&cpu, &f32, &bf16}) initialise_tiny(*model);
  f32.place(testing::kGpu);
  bf16.place(testing::kGpu);
  for (const Protocol protocol : kProtocols) {
    PerplexityOptions o = options(protocol, 8, 4);
    const double want = score_corpus(cpu, documents.corpus(), o).loglikelihood;
    const testing::TestDeviceScope scope(testing::kGpu);
    for (const std::int64_t tokens : {8, 30, 0}) {
      o.scoring.forward_tokens = tokens;
      const PerplexityScore got = score_corpus(f32, documents.corpus(), o);
      EXPECT_EQ(got.n_tokens, documents.text_tokens());
      EXPECT_NEAR(got.loglikelihood, want, -1e-5 * want);
      EXPECT_EQ(score_corpus(f32, documents.corpus(), o).loglikelihood, got.loglikelihood);
      EXPECT_NEAR(score_corpus(bf16, documents.corpus(), o).loglikelihood, want, -0.01 * want);
    }
  }
}

TEST(Perplexity, LossesAreSortedByTheTokensOfTextThatTheModelHadRead) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents d({9, 14, 1, 6});
  for (const Protocol protocol : kProtocols) {
    // Token by token: how many tokens of text stand before it in what the model reads?
    std::map<int, std::uint64_t> expected;
    const PerplexityScore score = score_corpus(model, d.corpus(), options(protocol, 5, 2));
    std::uint64_t document = 0;
    for (std::uint64_t t = 1; t + 1 < d.x.size(); ++t) {
      if (d.x[t] == kEnd) {
        document = t;
        continue;
      }
      const std::uint64_t i = t - document - 1,
                          n = *std::ranges::upper_bound(d.ends, t) - document - 1;
      std::uint64_t context = i;  // Document
      if (protocol == Protocol::Blocks) {
        context = std::min(i, t - 1 - (t - 1) / 5 * 5 + ((t - 1) / 5 * 5 > document ? 1 : 0));
      } else if (protocol == Protocol::Sliding) {
        const std::uint64_t begin = t < 5 ? 0 : (t - 5 + 2) / 2 * 2;
        context = t - begin - (std::ranges::binary_search(d.ends, begin) ? 1 : 0);
      } else if (protocol == Protocol::LmEval) {
        const std::uint64_t block = i / 5 * 5;
        context = block == 0 ? i : block + 5 > n ? i - (n - 5) + 1 : i - block + 1;
      }
      ++expected[static_cast<int>(std::bit_width(context))];
    }
    double losses = 0;
    for (std::size_t b = 0; b < score.by_context.size(); ++b) {
      EXPECT_EQ(score.by_context[b].n_tokens, expected[static_cast<int>(b)])
          << name_of(protocol) << " bucket " << b;
      losses += static_cast<double>(score.by_context[b].n_tokens) * score.by_context[b].mean_loss;
    }
    EXPECT_NEAR(losses, -score.loglikelihood, 1e-12 * losses);
  }
}

TEST(Perplexity, ThePrefixTokenStandsBeforeEachTextButInBlocks) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents d({9, 14, 3});
  constexpr std::int32_t kPrefix = 5;
  for (const Protocol protocol : kProtocols) {
    Documents prefixed = d;
    if (protocol == Protocol::Sliding) prefixed.x[0] = kPrefix;
    if (protocol == Protocol::Document || protocol == Protocol::LmEval) {
      for (const std::uint64_t end : d.ends) prefixed.x[end] = kPrefix;
    }
    PerplexityOptions o = options(protocol, 6, 3);
    const double want = score_corpus(model, prefixed.corpus(), o).loglikelihood;
    o.prefix_token = kPrefix;
    EXPECT_EQ(score_corpus(model, d.corpus(), o).loglikelihood, want);
  }
}

TEST(Perplexity, DropLastScoresWholeWindowsOfAStreamWithoutPrefix) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents d({23});
  PerplexityOptions o = options(Protocol::Blocks, 5);
  o.windowing.drop_last = true;
  double expected = 0;
  for (std::uint64_t t = 2; t < 22; ++t) {  // x[1] is read only; (23 - 1) / 5 = 4 windows
    expected += log_probability(model, d.x, (t - 2) / 5 * 5 + 1, t);
  }
  const PerplexityScore score = score_corpus(model, d.corpus(), o);
  EXPECT_EQ(score.n_tokens, 20u);
  EXPECT_EQ(score.n_windows, 4u);
  EXPECT_NEAR(score.loglikelihood, expected, 1e-10);
  o.windowing.length = 23;
  expect_error(ErrorKind::BadData, {"fewer tokens"}, [&] { score_corpus(model, d.corpus(), o); });
}

TEST(Perplexity, ADocumentOfAnyLengthIsScoredInPiecesThatDoNotMatter) {
  const LanguageModel model(tiny_config(DType::F64));
  initialise_tiny(model);
  const Documents documents({40, 3});
  const double whole =
      score_corpus(model, documents.corpus(), options(Protocol::Document, 1000)).loglikelihood;
  for (const std::uint64_t length : {1, 7, 39, 40}) {
    EXPECT_NEAR(
        score_corpus(model, documents.corpus(), options(Protocol::Document, length)).loglikelihood,
        whole, 1e-10);  // f64
  }
  // In one block with resets the documents are as by themselves; without, the second sees the first
  PerplexityOptions blocks = options(Protocol::Blocks, 1000);
  EXPECT_NEAR(score_corpus(model, documents.corpus(), blocks).loglikelihood, whole, 1e-10);
  blocks.reset_at_documents = false;
  EXPECT_GT(std::abs(score_corpus(model, documents.corpus(), blocks).loglikelihood - whole), 1e-3);
}

TEST(Perplexity, ProgressRisesToTheTotal) {
  const LanguageModel model(tiny_config(DType::F32));
  initialise_tiny(model);
  const Documents documents({40, 3, 9});
  for (const Protocol protocol : kProtocols) {
    for (const std::int64_t batch : {1, 2}) {
      PerplexityOptions o = options(protocol, 8, 4);
      o.scoring.batch = batch;
      std::uint64_t last = 0, all = 0;
      score_corpus(model, documents.corpus(), o, [&](std::uint64_t done, std::uint64_t total) {
        EXPECT_GT(done, last);
        last = done;
        all = total;
      });
      EXPECT_EQ(last, all);
      EXPECT_GE(all, documents.text_tokens());
    }
  }
}

TEST(Perplexity, NothingToScoreIsBadData) {
  const LanguageModel model(tiny_config(DType::F32));
  initialise_tiny(model);
  const Documents documents({0, 0});
  for (const Protocol protocol : kProtocols) {
    expect_error(ErrorKind::BadData, {"no text"},
                 [&] { score_corpus(model, documents.corpus(), options(protocol, 8, 4)); });
  }
}

TEST(Perplexity, AProbabilityThatIsNotANumberIsAnErrorThatSaysWhere) {
  const LanguageModel model(tiny_config(DType::F32));
  initialise_tiny(model);
  Documents documents({6, 4});
  for (std::int32_t& id : documents.x) id = id == 4 ? 5 : id;
  documents.x[3] = 4;  // token 2 of the text; the input of token 3
  const Tensor row = model.head().value().select(0, 4);
  row.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();  // of all logits, too
  PerplexityOptions o = options(Protocol::Blocks, 3);
  o.scoring.batch = 1;  // so that the first window is the first to be seen
  expect_error(ErrorKind::NonFinite, {"token 0 of"},
               [&] { score_corpus(model, documents.corpus(), o); });
}

TEST(Perplexity, FiguresAreTheHarnessFormulas) {
  TextStatistics text;
  text.add("aab aab b");  // 3 words, 9 bytes
  const PerplexityFigures f =
      perplexity_figures({.loglikelihood = -6 * std::numbers::ln2, .n_tokens = 4}, text);
  EXPECT_DOUBLE_EQ(f.token_perplexity, std::exp2(1.5));
  EXPECT_DOUBLE_EQ(f.word_perplexity, 4.0);
  EXPECT_DOUBLE_EQ(f.byte_perplexity, std::exp2(6.0 / 9));
  EXPECT_DOUBLE_EQ(f.bits_per_byte, 6.0 / 9);
  EXPECT_DOUBLE_EQ(f.unigram_bits_per_byte, text.unigram_bits_per_byte());
  // Llama-2-7B's published row: byte perplexity 1.5016 is 0.5865 bits per byte
  EXPECT_NEAR(std::log2(1.5016), 0.5865, 5e-5);
}

/// A token set of the byte tokenizer and a model for it.
class TrainingLoss : public ::testing::Test {
 protected:
  TrainingLoss() : model_(config()) {
    initialise_tiny(model_);
    TokenSetWriter writer(directory_ / "set.h5", tokenizer_);
    for (const char* document : {"one document", "caf\u00e9", "  x "}) {
      writer.append(tokenizer_.encode(document));
      writer.end_document();
    }
    writer.prepare("{}");
    writer.commit();
  }
  static ModelConfig config() {
    ModelConfig c = tiny_config(DType::F64);
    c.vocab_size = 257;
    return c;
  }
  TokenSet set() const { return TokenSet(directory_ / "set.h5"); }

  TemporaryDirectory directory_;
  ByteTokenizer tokenizer_;
  LanguageModel model_;
};

TEST_F(TrainingLoss, IsTheMeanLossOfAllTokensEndOfDocumentIncluded) {
  const TokenSet tokens = set();
  std::vector<std::int32_t> x(tokens.n_tokens() + 1);
  corpus_of(tokens).copy(0, x);
  EXPECT_EQ(x.front(), ByteTokenizer::kEndOfDocument);
  for (const bool reset : {true, false}) {
    double sum = 0;
    std::vector<double> means;
    std::uint64_t document = 0;
    for (std::uint64_t t = 1; t < x.size(); ++t) {
      const std::uint64_t block = (t - 1) / 6 * 6;
      sum -= log_probability(model_, x, reset ? std::max(block, document) : block, t);
      means.push_back(sum / static_cast<double>(t));
      if (x[t] == ByteTokenizer::kEndOfDocument) document = t;
    }
    for (const std::uint64_t n : {1, 6, 15, 1000, 0}) {
      const PerplexityEvaluator evaluator(
          model_, corpus_of(tokens),
          perplexity_options(
              TrainingLossOptions{.length = 6, .reset_at_documents = reset, .max_tokens = n}),
          "set");
      const Evaluation result = evaluator.evaluate();
      const std::uint64_t counted =
          n == 0 ? means.size() : std::min<std::uint64_t>(n, means.size());
      EXPECT_EQ(result.count, counted);
      EXPECT_EQ(result.figures.front().name, "loss");
      EXPECT_NEAR(result.figures.front().value, means[counted - 1], 1e-12);  // f64
      EXPECT_EQ(evaluator.decisive(result), result.figures.front().value);
    }
  }
}

TEST_F(TrainingLoss, TheIdentityTellsWhatIsMeasuredAndOnWhichData) {
  const TokenSet tokens = set();
  const auto identity = [&](const TrainingLossOptions& options, const std::string& data) {
    return PerplexityEvaluator(model_, corpus_of(tokens), perplexity_options(options), data)
        .identity();
  };
  const std::string one = identity({.length = 6}, "a");
  EXPECT_EQ(one, identity({.length = 6, .rows = 4}, "a"));  // how it is computed does not matter
  EXPECT_NE(one, identity({.length = 6}, "b"));
  EXPECT_NE(one, identity({.length = 7}, "a"));
  EXPECT_NE(one, identity({.length = 6, .max_tokens = 10}, "a"));
  EXPECT_NE(one, identity({.length = 6, .reset_at_documents = false}, "a"));
}

TEST_F(TrainingLoss, TheTextOfASetIsThatOfItsDocuments) {
  const TokenSet tokens = set();
  const TextStatistics s = text_statistics(tokens, tokenizer_);
  EXPECT_EQ(s.words, 2u + 1u + 3u);
  EXPECT_EQ(s.bytes, 12u + 5u + 4u);
  const PerplexityScore score =
      score_corpus(model_, corpus_of(tokens), options(Protocol::LmEval, 8));
  EXPECT_EQ(score.n_tokens, s.bytes);  // what is scored is what is counted
}

TEST(Corpus, OfTextsIsTheTextsBetweenEndOfDocumentTokens) {
  const Corpus corpus = corpus_of_documents({{3, 1, 4}, {}, {5}}, 18);
  EXPECT_EQ(std::vector(corpus.ends.begin(), corpus.ends.end()),
            (std::vector<std::uint64_t>{0, 4, 5, 7}));
  std::vector<std::int32_t> x(8);
  corpus.copy(0, x);
  EXPECT_EQ(x, (std::vector<std::int32_t>{18, 3, 1, 4, 18, 18, 5, 18}));
  EXPECT_THROW(corpus.copy(1, x), Error);
}

TEST(Corpus, CountsTheWordsAndBytesOfAPiece) {
  const ByteTokenizer tokenizer;
  const Corpus corpus = corpus_of_documents({tokenizer.encode("ab cd"), tokenizer.encode("e f g")},
                                            ByteTokenizer::kEndOfDocument);
  const auto counts = [&](std::uint64_t first, std::uint64_t last) {
    const TextStatistics s = text_statistics(corpus, first, last, tokenizer);
    return std::pair(s.words, s.bytes);
  };
  EXPECT_EQ(counts(1, 6), (std::pair<std::uint64_t, std::uint64_t>(2, 5)));
  EXPECT_EQ(counts(2, 9), (std::pair<std::uint64_t, std::uint64_t>(2 + 2, 4 + 2)));  // "b cd", "e "
  EXPECT_EQ(counts(7, 12), (std::pair<std::uint64_t, std::uint64_t>(3, 5)));
  EXPECT_EQ(counts(8, 10), (std::pair<std::uint64_t, std::uint64_t>(2, 2)));  // " f"
}

}  // namespace
}  // namespace krait
