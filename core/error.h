// Error reporting: one exception type and one check macro.
//
// A message reads "[op] requirement, got values." and, where it helps, what to do about it.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace krait {

/// What went wrong. It decides the exit code of the process (exit_code).
enum class ErrorKind {
  Contract,      // a caller inside Krait broke a stated requirement: a bug of ours
  Usage,         // the command line
  BadData,       // a file that exists but is corrupt, truncated or of the wrong form
  MissingInput,  // a file or directory that does not exist
  RankLost,      // a peer process is gone
  NonFinite,     // a loss or gradient that is not a number
  Io,            // the operating system refused: full disk, no permission
  Stopped,       // stopped on request; the run can be resumed
  BadConfig,     // the configuration file or an override
};

/// 64 usage, 65 bad data, 66 missing input, 69 rank lost, 70 non-finite, 74 I/O, 75 stopped and
/// resumable, 78 bad config; 1 for Contract.
constexpr int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Contract:
      return 1;
    case ErrorKind::Usage:
      return 64;
    case ErrorKind::BadData:
      return 65;
    case ErrorKind::MissingInput:
      return 66;
    case ErrorKind::RankLost:
      return 69;
    case ErrorKind::NonFinite:
      return 70;
    case ErrorKind::Io:
      return 74;
    case ErrorKind::Stopped:
      return 75;
    case ErrorKind::BadConfig:
      return 78;
  }
  return 1;
}

/// The one exception Krait throws. `where` is "file:line" of the check, for bug reports.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string where = {})
      : std::runtime_error(message), kind_(kind), where_(std::move(where)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& where() const { return where_; }

 private:
  ErrorKind kind_;
  std::string where_;
};

/// Joins values into one string with operator<<.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

}  // namespace krait

#define KRAIT_STRINGIFY_(x) #x
#define KRAIT_STRINGIFY(x) KRAIT_STRINGIFY_(x)

/// Throws Error of `kind` unless `condition` holds; the remaining arguments form the message.
#define KRAIT_CHECK(kind, condition, ...)                                       \
  do {                                                                          \
    if (!(condition)) [[unlikely]] {                                            \
      throw ::krait::Error(::krait::ErrorKind::kind, ::krait::str(__VA_ARGS__), \
                           __FILE__ ":" KRAIT_STRINGIFY(__LINE__));             \
    }                                                                           \
  } while (false)

/// The requirement that a function states about its arguments: KRAIT_CHECK of kind Contract.
#define KRAIT_REQUIRE(condition, ...) KRAIT_CHECK(Contract, condition, __VA_ARGS__)
