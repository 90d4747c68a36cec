// Text that arrives in pieces cut anywhere.
#pragma once
#include <string>
#include <string_view>

namespace krait {

/// Turns pieces of bytes into pieces of valid UTF-8: an unfinished character waits for the next
/// piece, and each maximal invalid part becomes U+FFFD (Unicode 15, section 3.9), as in Python's
/// decode(errors="replace").
class Utf8Stream {
 public:
  /// The characters that `bytes` completes.
  std::string push(std::string_view bytes);
  /// U+FFFD if a character was left unfinished.
  std::string finish();

 private:
  std::string pending_;  // the start of a character, up to 3 bytes
};

}  // namespace krait
