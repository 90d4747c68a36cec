// Writes labelled sets.
#pragma once
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "data/labelled_set/info.h"

namespace krait {

/// Writes a labelled set in constant memory (some MiB). The arrays first go to nameless files
/// beside the target, so while it is written a set takes twice its size on the disk. Until commit()
/// returns the target is untouched; afterwards it is the new set, whole.
class LabelledSetWriter {
 public:
  /// The folder of the target is made when it is not there.
  LabelledSetWriter(const std::filesystem::path& target, LabelledSetDescription description);
  ~LabelledSetWriter();
  LabelledSetWriter(LabelledSetWriter&&) noexcept;
  LabelledSetWriter& operator=(LabelledSetWriter&&) noexcept;

  /// Adds an example. Throws (Contract) for another number of inputs than the description says, an
  /// empty input, an image of another size, an id or a label that is out of range.
  void add(std::int32_t label, std::initializer_list<std::span<const std::int32_t>> inputs);
  std::uint64_t n_examples() const;
  std::uint64_t n_tokens() const;

  /// Writes everything to the disk beside the target: what can fail for want of space fails here.
  /// Throws BadData when there is no example.
  void prepare(const std::string& provenance);
  /// Of the prepared set.
  const std::string& content_sha256() const;
  /// Puts the prepared set in the target's place.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace krait
