#include "data/lra/contact_sheet.h"

#include <vector>

#include "core/error.h"

namespace krait {
namespace {

constexpr std::int64_t kLine = 2;         // pixels between images
constexpr std::uint8_t kLineLevel = 110;  // grey, which neither black nor white images hide

}  // namespace

GreyImage contact_sheet(const LabelledSet& set, const ContactSheet& sheet) {
  const LabelledSetDescription& d = set.description();
  KRAIT_CHECK(Usage, d.kind == InputKind::Pixels, "'", set.info().path.string(),
              "' holds tokens; a sheet is for images.");
  KRAIT_CHECK(Usage, sheet.columns >= 1 && sheet.scale >= 1,
              "the columns and the scale of a sheet must be >= 1, got ", sheet.columns, " and ",
              sheet.scale, ".");
  const std::int64_t high = d.height * sheet.scale + kLine, wide = d.width * sheet.scale + kLine;
  GreyImage image{
      .height = d.n_classes() * high + kLine, .width = sheet.columns * wide + kLine, .pixels = {}};
  image.pixels.assign(static_cast<std::size_t>(image.height * image.width), kLineLevel);
  std::vector<std::int64_t> shown(static_cast<std::size_t>(d.n_classes()));
  std::vector<std::int32_t> levels(static_cast<std::size_t>(d.height * d.width));
  for (std::uint64_t i = 0; i < set.n_examples(); ++i) {
    const std::int64_t row = set.labels()[i];
    const std::int64_t column = shown[static_cast<std::size_t>(row)]++;
    if (column >= sheet.columns) continue;
    set.copy(i, 0, levels);
    for (std::int64_t y = 0; y < high - kLine; ++y) {
      for (std::int64_t x = 0; x < wide - kLine; ++x) {
        const std::int64_t from = y / sheet.scale * d.width + x / sheet.scale;
        const std::int64_t to = (row * high + kLine + y) * image.width + column * wide + kLine + x;
        image.pixels[static_cast<std::size_t>(to)] =
            static_cast<std::uint8_t>(levels[static_cast<std::size_t>(from)]);
      }
    }
  }
  return image;
}

}  // namespace krait
