// The documents of one file as text, whole.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "data/text_source.h"

namespace krait {

/// Calls visit(text) for every document of a file, in order: the file, or the string `text_field`
/// of each of its lines of JSON, empty ones too; compressed ones as well. The text lives during the
/// call, and takes the memory of a document. Building token sets does not (data/text_reader.h).
///
/// Throws MissingInput, Io, and BadData for a malformed line ("file:line: ..."), damaged
/// compression, and a file that is empty or binary.
void visit_documents(const TextSource& source, const std::string& text_field,
                     const std::function<void(std::string_view text)>& visit);

}  // namespace krait
