#include "data/text/encoder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/system/bounded_queue.h"
#include "core/system/parallel.h"
#include "data/files/json_text.h"

namespace krait {
namespace {

using Pieces = std::vector<TextPiece>;

constexpr std::size_t kBatchesAhead = 1;
constexpr std::size_t kBatchPieces = 4096;  // small files come one a piece

std::size_t batch_bytes() {
  return TextReader::kPiece * std::max(16, 4 * thread_count());
}

}  // namespace

void encode_text(std::string_view text, const Tokenizer& tokenizer,
                 std::vector<std::int32_t>& ids) {
  std::size_t piece = TextReader::kPiece;
  while (!text.empty()) {
    const bool last = text.size() <= piece;
    const std::size_t cut = last ? text.size() : tokenizer.safe_cut(text.substr(0, piece));
    if (cut == 0) {
      piece *= 2;
      continue;
    }
    const std::vector<std::int32_t> more = tokenizer.encode(text.substr(0, cut));
    ids.insert(ids.end(), more.begin(), more.end());
    text.remove_prefix(cut);
    piece = TextReader::kPiece;
  }
}

void encode_text_in_parallel(std::string_view text, const Tokenizer& tokenizer,
                             const std::function<void(std::span<const std::int32_t>)>& sink) {
  const std::size_t most = batch_bytes() / TextReader::kPiece;
  while (!text.empty()) {
    std::vector<std::string_view> pieces;
    for (std::size_t bytes = TextReader::kPiece; !text.empty() && pieces.size() < most;) {
      const bool last = text.size() <= bytes;
      const std::size_t cut = last ? text.size() : tokenizer.safe_cut(text.substr(0, bytes));
      bytes = cut == 0 ? 2 * bytes : TextReader::kPiece;
      if (cut > 0) pieces.push_back(text.substr(0, cut));
      text.remove_prefix(cut);
    }
    std::vector<std::vector<std::int32_t>> ids(pieces.size());
    parallel_for(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, auto end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        ids[i] = tokenizer.encode(pieces[i]);
      }
    });
    for (const auto& piece : ids) sink(piece);
  }
}

void visit_lines(const TextPiece& piece, const TextSource& source, const std::string& text_field,
                 const std::function<void(std::string, const TextPosition&)>& visit) {
  TextPosition at = piece.begin;
  for (std::string_view rest = piece.text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const std::size_t end = std::min(line.size() + 1, rest.size());
    rest.remove_prefix(end);
    ++at.line;
    at.offset += end;
    if (is_blank_line(line)) continue;
    visit(json_text_field(line, text_field, str(source.path.string(), ":", at.line)), at);
  }
}

/// Reads batches of pieces on another thread, kBatchesAhead of the calls of take().
class TextEncoder::ReadAhead {
 public:
  ReadAhead(const TextEncoder& encoder, TextPosition start)
      : reader_(encoder.sources_, encoder.tokenizer_, encoder.options_.reader, start),
        batches_(kBatchesAhead, [this](const Put& put) { read(put); }) {}

  /// Empty at the end.
  Pieces take() { return batches_.take().value_or(Pieces{}); }

 private:
  using Put = BoundedQueue<Pieces>::Put;

  void read(const Put& put) {
    const std::size_t most = batch_bytes();
    std::size_t bytes = 0;
    Pieces batch;
    try {
      while (auto piece = reader_.next()) {
        bytes += piece->text.size();
        batch.push_back(std::move(*piece));
        if (bytes < most && batch.size() < kBatchPieces) continue;
        if (!put(std::exchange(batch, {}))) return;
        bytes = 0;
      }
    } catch (...) {
      if (!batch.empty()) put(std::move(batch));  // what was read before the failure comes first
      throw;
    }
    if (!batch.empty()) put(std::move(batch));
  }

  TextReader reader_;
  BoundedQueue<Pieces> batches_;  // after what its thread uses
};

TextEncoder::TextEncoder(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                         const TextEncoderOptions& options, TextPosition start)
    : sources_(sources), tokenizer_(tokenizer), options_(options) {
  reader_ = std::make_unique<ReadAhead>(*this, start);
}

TextEncoder::~TextEncoder() = default;

namespace {

/// The documents of a piece of JSON lines.
void encode_lines(const TextPiece& piece, const TextSource& source, const std::string& field,
                  const Tokenizer& tokenizer, EncodedPiece& out) {
  visit_lines(piece, source, field, [&](const std::string& text, const TextPosition& after) {
    if (text.empty()) {
      ++out.empty_ones;
      return;
    }
    encode_text(text, tokenizer, out.ids);
    out.lines.push_back(
        {.end = out.ids.size(), .after = after, .empty_ones = std::exchange(out.empty_ones, 0)});
  });
}

}  // namespace

std::vector<EncodedPiece> TextEncoder::next() {
  if (failure_) std::rethrow_exception(failure_);
  Pieces pieces = reader_->take();
  std::vector<EncodedPiece> encoded(pieces.size());
  std::vector<std::exception_ptr> failures(pieces.size());
  const auto encode = [&](std::size_t i) {
    TextPiece& piece = pieces[i];
    try {
      if (piece.kind == TextPiece::Kind::Lines) {
        encode_lines(piece, sources_[piece.begin.file], options_.text_field, tokenizer_,
                     encoded[i]);
      } else {
        encode_text(piece.text, tokenizer_, encoded[i].ids);
      }
    } catch (...) {
      failures[i] = std::current_exception();
    }
    piece.text = {};
    piece.holder.reset();
    encoded[i].piece = std::move(piece);
  };
  parallel_for(static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, auto end) {
    for (auto i = begin; i < end; ++i) encode(static_cast<std::size_t>(i));
  });
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (!failures[i]) continue;
    // The first one in the files; the documents before it are handed out.
    failure_ = failures[i];
    encoded.resize(encoded[i].lines.empty() ? i : i + 1);
    return encoded.empty() ? next() : std::move(encoded);
  }
  return encoded;
}

}  // namespace krait
