// The documents of one file as text, each as a whole.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "data/text/source.h"

namespace krait {

/// Gets the text of a document, valid during the call, and how many bytes of the file on the disk
/// have been read.
using VisitDocument = std::function<void(std::string_view text, std::uint64_t bytes)>;

/// Visits every document of a file, in order: the file, or the string `text_field` of each of its
/// lines of JSON, empty ones too. Uncompressed files are memory-mapped; others take the memory of a
/// document. (Building token sets does not: data/text/reader.h.) Returns why the file was left out,
/// if it is empty or binary.
///
/// Throws MissingInput, Io, and BadData for a malformed line ("file:line: ...") and damaged
/// compression.
std::optional<std::string> visit_documents(const TextSource& source, const std::string& text_field,
                                           const VisitDocument& visit);

}  // namespace krait
