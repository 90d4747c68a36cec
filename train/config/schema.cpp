#include "train/config/schema.h"

#include <utility>

#include "train/config/sections.h"

namespace krait {

const std::vector<Field>& config_fields() {
  static const std::vector<Field> fields = [] {
    std::vector<Field> all;
    for (const auto section : kSections) {
      for (Field& field : section()) all.push_back(std::move(field));
    }
    return all;
  }();
  return fields;
}

const Field* find_field(std::string_view name) {
  for (const Field& f : config_fields()) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

}  // namespace krait
