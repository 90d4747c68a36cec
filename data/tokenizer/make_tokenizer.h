// The tokenizer that a name, a file or an identity stands for.
#pragma once
#include <memory>
#include <string_view>

#include "data/tokenizer/tokenizer.h"

namespace krait {

/// The tokenizer that a user names: "byte", or the path of a tokenizer.json or of a directory that
/// holds one (data/tokenizer/bpe_tokenizer.h). `end_of_document` is the text of the token that ends
/// a document; without one the tokenizer's own is taken. Throws Usage for any other name and for an
/// end_of_document that the tokenizer does not have, and what reading the file throws.
std::unique_ptr<Tokenizer> make_tokenizer(std::string_view spec,
                                          std::string_view end_of_document = {});
/// The tokenizer that a token set or checkpoint was made with, from what they keep. Throws BadData
/// when the definition is not the one that the identity names, or this build has no tokenizer of
/// that name and definition.
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerIdentity& identity,
                                          std::string_view definition);

}  // namespace krait
