#include "data/files/strict_json.h"

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {
namespace {

using nlohmann::json;

constexpr std::size_t kShownKey = 80;

/// Watches the parser.
class Guard {
 public:
  Guard(const std::string& where, int max_depth) : where_(where), max_depth_(max_depth) {}

  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      KRAIT_CHECK(BadData, depth < max_depth_, where_, " nests more than ", max_depth_,
                  " objects and arrays; it is not what it claims to be.");
    }
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      KRAIT_CHECK(BadData, keys_.back().insert(key).second, where_, " has the key \"",
                  key.substr(0, kShownKey), "\" twice in one object; remove one of them.");
    }
    return true;
  }

 private:
  const std::string& where_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

json parse_strict_json(std::string_view text, const std::string& where, int max_depth) {
  Guard guard(where, max_depth);
  try {
    json value = json::parse(text, [&guard](int depth, json::parse_event_t event, json& parsed) {
      return guard(depth, event, parsed);
    });
    KRAIT_CHECK(BadData, value.is_object(), where, " is not a JSON object.");
    return value;
  } catch (const json::parse_error& error) {
    throw Error(ErrorKind::BadData,
                str(where, " is not valid JSON: something is wrong at byte ", error.byte, "."));
  } catch (const json::exception&) {  // a number beyond the range of double
    throw Error(ErrorKind::BadData, where + " is not valid JSON: it holds a number out of range.");
  }
}

}  // namespace krait
