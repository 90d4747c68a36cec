// One sequence cut in pieces, several packed into one, the number of threads and the order in which
// a GPU works: none of them may show in the results.
#include <gtest/gtest.h>

#include "core/system/parallel.h"
#include "tests/kernels/selective_scan_oracle.h"
#include "tests/support/device.h"

namespace krait {
namespace {

using namespace scan_test;
using namespace testing;

const std::vector<std::string> kRowArrays = {"u", "delta", "z", "dy", "y", "du", "ddelta", "dz"};
const std::vector<std::string> kGroupArrays = {"B", "C", "dB", "dC"};
const std::vector<std::string> kSums = {"dA", "dD", "ddelta_bias"};

/// Positions [begin, end) of the arrays with a length, the others as they are. One batch entry.
Arrays cut(const Case& c, const Arrays& arrays, std::int64_t begin, std::int64_t end) {
  Arrays out = arrays;
  const auto cut_rows = [&](const std::vector<std::string>& names, std::int64_t width) {
    for (const std::string& name : names) {
      if (!arrays.contains(name)) continue;
      const auto& v = arrays.at(name);
      out[name].assign(v.begin() + begin * width, v.begin() + end * width);
    }
  };
  cut_rows(kRowArrays, c.d);
  cut_rows(kGroupArrays, c.g * c.n);
  return out;
}

/// Appends what has a length, adds what is a sum over it.
void join(const Arrays& part, Arrays* whole) {
  for (const auto& names : {kRowArrays, kGroupArrays}) {
    for (const std::string& name : names) {
      if (!part.contains(name)) continue;
      auto& v = (*whole)[name];
      v.insert(v.end(), part.at(name).begin(), part.at(name).end());
    }
  }
  for (const std::string& name : kSums) {
    auto& v = (*whole)[name];
    v.resize(part.at(name).size());
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += part.at(name)[i];
  }
}

/// Runs the pieces that start at `cuts` one after the other: states forward, then their gradients
/// backward. The backward call repeats the forward, so outputs of both sweeps are the same.
Arrays run_in_pieces(DType t, const Case& c, const Arrays& in,
                     const std::vector<std::int64_t>& cuts) {
  std::vector<Arrays> pieces;
  Arrays states = in;
  const auto length = [&](std::size_t i) {
    return (i + 1 < cuts.size() ? cuts[i + 1] : c.l) - cuts[i];
  };
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    Arrays piece = cut(c, in, cuts[i], cuts[i] + length(i));
    if (i > 0) piece["initial_state"] = states.at("final_state");
    pieces.push_back(piece);
    Case sizes = c;
    sizes.l = length(i);
    states = kernel_scan(t, sizes, piece);
  }
  std::vector<Arrays> results(cuts.size());
  for (std::size_t i = cuts.size(); i-- > 0;) {
    if (i + 1 < cuts.size()) pieces[i]["dfinal_state"] = results[i + 1].at("dinitial_state");
    Case sizes = c;
    sizes.l = length(i);
    results[i] = kernel_scan(t, sizes, pieces[i]);
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

void expect_same_in_pieces(const Case& c, const std::vector<std::int64_t>& cuts) {
  SCOPED_TRACE(::testing::Message() << c << " in " << cuts.size() << " pieces");
  for (const DType t : test_dtypes()) {
    SCOPED_TRACE(t);
    const Arrays in = as_stored(random_inputs(c), kActivations, t);
    expect_close(run_in_pieces(t, c, in, cuts), kernel_scan(t, c, in), GradientMode::Overwrite,
                 two_results(t));
  }
}

DEVICE_TEST(SelectiveScanSequence, PiecesWithCarriedStatesGiveTheWhole) {
  const Case c{.l = 130, .d = 21, .n = 6, .g = 3, .initial = true, .dfinal = true};
  expect_same_in_pieces(c, {0, 65});
  expect_same_in_pieces(c, {0, 1, 33, 97});
  Case long_one = c;
  long_one.l = 4100;  // whole: cut in time inside the kernel; halves: not
  expect_same_in_pieces(long_one, {0, 2000});
}

DEVICE_TEST(SelectiveScanSequence, TokenByTokenGivesTheWhole) {
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
    Case one = c;
    one.l = end - starts[i];
    const Arrays result = kernel_scan(t, one, cut(c, in, starts[i], end));
    join(result, &apart);
    apart["final_state"] = result.at("final_state");
    // ids that come back later are still another sequence
    ids.insert(ids.end(), static_cast<std::size_t>(one.l), static_cast<double>(i % 2));
  }
  expect_close(kernel_scan(t, c, packed), apart, GradientMode::Overwrite, two_results(t));
}

DEVICE_TEST(SelectiveScanSequence, PackedDocumentsDoNotSeeEachOther) {
  for (const std::vector<std::int64_t>& starts :
       {std::vector<std::int64_t>{0, 1, 2, 31, 64, 65, 100}, {0, 600, 1300, 2048, 3000}}) {
    const Case c{.l = starts.back() + 77, .d = 21, .n = 6};
    SCOPED_TRACE(::testing::Message() << c);
    const Arrays in = random_inputs(c);
    for (const DType t : test_dtypes()) {
      SCOPED_TRACE(t);
      expect_same_packed(t, c, as_stored(in, kActivations, t), starts);
    }
  }
}

DEVICE_TEST(SelectiveScanSequence, ADocumentIsUntouchedByNonFiniteNeighbours) {
  const Case c{.l = 90, .d = 5, .n = 4};
  Arrays in = random_inputs(c);
  for (std::int64_t t = 0; t < c.l; ++t) in["sequence_ids"].push_back(t < 40 ? 3 : 9);
  const auto expect_same = [&](const char* spoiled, std::int64_t begin, std::int64_t end,
                               std::vector<const char*> names) {
    Arrays other = in;  // infinite outside [begin, end)
    for (std::int64_t i = 0; i < c.l * c.d; ++i) {
      const bool inside = i >= begin * c.d && i < end * c.d;
      if (!inside) other[spoiled][static_cast<std::size_t>(i)] = HUGE_VAL;
    }
    for (const DType t : test_dtypes()) {
      SCOPED_TRACE(t);
      const Arrays got = cut(c, kernel_scan(t, c, other), begin, end);
      const Arrays want = cut(c, kernel_scan(t, c, in), begin, end);
      for (const char* name : names) EXPECT_EQ(got.at(name), want.at(name)) << name;
    }
  };
  expect_same("u", 40, 90, {"y", "du", "ddelta", "dz", "dB", "dC", "final_state"});
  expect_same("dy", 0, 40, {"y", "du", "ddelta", "dz", "dB", "dC"});
}

DEVICE_TEST(SelectiveScanSequence, TheNumberOfThreadsDoesNotShow) {
  const int before = thread_count();
  for (const Case& c : {Case{.b = 3, .l = 100, .d = 200, .n = 5, .initial = true, .dfinal = true},
                        Case{.b = 1, .l = 5000, .d = 20, .n = 5, .initial = true, .dfinal = true},
                        Case{.b = 1, .l = 3000, .d = 40, .n = 64, .documents = 3},
                        Case{.b = 2, .l = 1000, .d = 20, .n = 70, .initial = true, .dfinal = true},
                        Case{.b = 1, .l = 40, .d = 2000, .n = 2, .g = 2, .documents = 3}}) {
    const Arrays in = random_inputs(c);
    for (const DType t : test_dtypes()) {
      for (const bool chunk_states : {true, false}) {
        set_thread_count(1);
        const Arrays one = kernel_scan(t, c, in, {.chunk_states = chunk_states});
        set_thread_count(3);
        EXPECT_EQ(kernel_scan(t, c, in, {.chunk_states = chunk_states}), one) << c << " " << t;
      }
    }
  }
  set_thread_count(before);
}

}  // namespace
}  // namespace krait
