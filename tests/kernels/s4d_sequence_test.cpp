// One sequence cut in pieces, several packed into one, the number of threads and the order in which
// a GPU works: none of them may show in the results.
#include <gtest/gtest.h>

#include "core/system/parallel.h"
#include "tests/kernels/s4d_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace s4d_test;
using namespace testing;

const std::vector<std::string> kRows = {"u", "z", "dy", "y", "du", "dz"};
const std::vector<std::string> kSums = {"ddt", "dA_real", "dA_imag", "dC_real", "dC_imag", "dD"};

/// Positions [begin, end) of the arrays with a length, the others as they are. One batch entry.
Arrays cut(const Case& c, const Arrays& arrays, std::int64_t begin, std::int64_t end) {
  Arrays out = arrays;
  for (const std::string& name : kRows) {
    if (!arrays.contains(name)) continue;
    const auto& v = arrays.at(name);
    out[name].assign(v.begin() + begin * c.d, v.begin() + end * c.d);
  }
  return out;
}

/// Appends what has a length, adds what is a sum over it.
void join(const Arrays& part, Arrays* whole) {
  for (const std::string& name : kRows) {
    if (!part.contains(name)) continue;
    auto& v = (*whole)[name];
    v.insert(v.end(), part.at(name).begin(), part.at(name).end());
  }
  for (const std::string& name : kSums) {
    if (!part.contains(name)) continue;
    auto& v = (*whole)[name];
    v.resize(part.at(name).size());
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += part.at(name)[i];
  }
}

Case with_length(Case c, std::int64_t length) {
  c.l = length;
  return c;
}

/// Runs the pieces that start at `cuts` one after the other: states forward, then their gradients
/// backward. The backward sweep repeats the forward, so the outputs of both are the same.
Arrays run_in_pieces(DType t, const Case& c, const Arrays& in,
                     const std::vector<std::int64_t>& cuts) {
  const auto end = [&](std::size_t i) { return i + 1 < cuts.size() ? cuts[i + 1] : c.l; };
  std::vector<Arrays> pieces, results(cuts.size());
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    pieces.push_back(cut(c, in, cuts[i], end(i)));
    if (i > 0) pieces[i]["initial_state"] = results[i - 1].at("final_state");
    results[i] = kernel_s4d(t, with_length(c, end(i) - cuts[i]), pieces[i]);
  }
  for (std::size_t i = cuts.size(); i-- > 0;) {
    if (i + 1 < cuts.size()) pieces[i]["dfinal_state"] = results[i + 1].at("dinitial_state");
    results[i] = kernel_s4d(t, with_length(c, end(i) - cuts[i]), pieces[i]);
  }
  Arrays whole;
  for (const Arrays& r : results) join(r, &whole);
  whole["final_state"] = results.back().at("final_state");
  whole["dinitial_state"] = results.front().at("dinitial_state");
  return whole;
}

/// Both sides of the comparison are rounded.
Allowed two_results(DType t) {
  return Allowed(t, kActivations, 2);
}

void expect_same_in_pieces(Case c, const std::vector<std::int64_t>& cuts) {
  for (const bool complex : {false, true}) {
    c.complex = complex;
    SCOPED_TRACE(::testing::Message() << c << " in " << cuts.size() << " pieces");
    for (const DType t : test_dtypes()) {
      SCOPED_TRACE(t);
      const Arrays in = as_stored(random_inputs(c), kActivations, t);
      expect_close(run_in_pieces(t, c, in, cuts), kernel_s4d(t, c, in), GradientMode::Overwrite,
                   two_results(t));
    }
  }
}

DEVICE_TEST(S4dSequence, PiecesWithCarriedStatesGiveTheWhole) {
  const Case c{.l = 130, .d = 21, .n = 6, .initial = true, .dfinal = true};
  expect_same_in_pieces(c, {0, 65});
  expect_same_in_pieces(c, {0, 1, 33, 97});
  expect_same_in_pieces(with_length(c, 4100), {0, 2000});
}

DEVICE_TEST(S4dSequence, TokenByTokenGivesTheWhole) {
  const Case c{.l = 70, .d = 21, .n = 16, .initial = true, .dfinal = true};
  std::vector<std::int64_t> cuts(70);
  for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i] = static_cast<std::int64_t>(i);
  expect_same_in_pieces(c, cuts);
}

/// The documents that begin at `starts` in one sequence, and each on its own.
void expect_same_packed(DType t, const Case& c, const Arrays& in,
                        const std::vector<std::int64_t>& starts) {
  Arrays packed = in, apart;
  std::vector<double>& ids = packed["sequence_ids"];
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t end = i + 1 < starts.size() ? starts[i + 1] : c.l;
    const Arrays result =
        kernel_s4d(t, with_length(c, end - starts[i]), cut(c, in, starts[i], end));
    join(result, &apart);
    apart["final_state"] = result.at("final_state");
    // ids that come back later are still another sequence
    ids.insert(ids.end(), static_cast<std::size_t>(end - starts[i]), static_cast<double>(i % 2));
  }
  expect_close(kernel_s4d(t, c, packed), apart, GradientMode::Overwrite, two_results(t));
}

DEVICE_TEST(S4dSequence, PackedDocumentsDoNotSeeEachOther) {
  for (const std::vector<std::int64_t>& starts :
       {std::vector<std::int64_t>{0, 1, 2, 31, 64, 65, 100}, {0, 600, 1300, 2048, 3000}}) {
    for (const bool complex : {false, true}) {
      const Case c{.l = starts.back() + 77, .d = 21, .n = 6, .complex = complex};
      SCOPED_TRACE(::testing::Message() << c);
      const Arrays in = random_inputs(c);
      for (const DType t : test_dtypes()) {
        SCOPED_TRACE(t);
        expect_same_packed(t, c, as_stored(in, kActivations, t), starts);
      }
    }
  }
}

DEVICE_TEST(S4dSequence, ADocumentIsUntouchedByNonFiniteNeighbours) {
  for (const std::int64_t length : {90, 3000}) {  // the long one is cut in time on a GPU
    const Case c{.l = length, .d = 5, .n = 4};
    const std::int64_t border = length * 4 / 9;
    Arrays in = random_inputs(c);
    for (std::int64_t t = 0; t < c.l; ++t) in["sequence_ids"].push_back(t < border ? 3 : 9);
    const auto expect_same = [&](const char* spoiled, std::int64_t begin, std::int64_t end,
                                 std::vector<const char*> names) {
      Arrays other = in;  // infinite outside [begin, end)
      for (std::int64_t i = 0; i < c.l * c.d; ++i) {
        const bool inside = i >= begin * c.d && i < end * c.d;
        if (!inside) other[spoiled][static_cast<std::size_t>(i)] = HUGE_VAL;
      }
      for (const DType t : test_dtypes()) {
        SCOPED_TRACE(t);
        const Arrays got = cut(c, kernel_s4d(t, c, other), begin, end);
        const Arrays want = cut(c, kernel_s4d(t, c, in), begin, end);
        for (const char* name : names) EXPECT_EQ(got.at(name), want.at(name)) << name;
      }
    };
    expect_same("u", border, length, {"y", "du", "dz", "final_state"});
    expect_same("dy", 0, border, {"y", "du", "dz"});
  }
}

DEVICE_TEST(S4dSequence, TheNumberOfThreadsDoesNotShow) {
  const int before = thread_count();
  for (const Case& c :
       {Case{.b = 3, .l = 100, .d = 200, .n = 5, .initial = true, .dfinal = true},
        Case{.b = 1, .l = 5000, .d = 20, .n = 5, .initial = true, .dfinal = true},
        Case{.b = 1, .l = 3000, .d = 40, .n = 64, .complex = false, .documents = 3}}) {
    const Arrays in = random_inputs(c);
    for (const DType t : test_dtypes()) {
      for (const bool chunk_states : {true, false}) {
        set_thread_count(1);
        const Arrays one = kernel_s4d(t, c, in, {.chunk_states = chunk_states});
        set_thread_count(3);
        EXPECT_EQ(kernel_s4d(t, c, in, {.chunk_states = chunk_states}), one) << c << " " << t;
      }
    }
  }
  set_thread_count(before);
}

}  // namespace
}  // namespace krait
