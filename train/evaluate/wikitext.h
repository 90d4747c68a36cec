// WikiText files as lm-evaluation-harness reads and scores them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// The articles of a WikiText file (wiki.test.raw and its like), views of `text`: the pages of the
/// data set wikitext_document_level. An article starts at a line " = Title = " and has all lines
/// up to the next, joined by line ends, the last of which is dropped. Headings of sections
/// (" = = History = = ") start none. What lies before the first heading counts when it is more than
/// white space.
std::vector<std::string_view> wikitext_articles(std::string_view text);

/// `page` as running text: the harness's detokenizer for its task "wikitext", which undoes most of
/// what tokenization into words did (" @-@ " is "-", " ," is ","), by these steps in this order,
/// with their quirks: two apostrophes far apart lose the blanks inside them as quotes do, and " N "
/// becomes " 1 ". Linear in the length.
std::string detokenize_wikitext(std::string_view page);

}  // namespace krait
