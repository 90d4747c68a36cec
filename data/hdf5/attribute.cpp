#include <algorithm>
#include <type_traits>

#include "data/hdf5/handle.h"

namespace krait {
using hdf5::checked;
using hdf5::Handle;
using hdf5::is_integer;
using hdf5::is_unsigned_64;
using hdf5::owned;
using hdf5::Place;
using hdf5::Session;

namespace {

constexpr std::size_t kMaxText = std::size_t{1} << 26;  // bytes of a string

herr_t take_attribute(hid_t, const char* name, const H5A_info_t*, void* data) {
  static_cast<std::vector<std::string>*>(data)->emplace_back(name);
  return 0;
}

std::string read_variable_string(hid_t attribute, hid_t type, const Place& place) {
  char* text = nullptr;
  checked(H5Aread(attribute, type, &text), place, "read the attribute");
  std::string value = text == nullptr ? "" : text;
  H5free_memory(text);
  return value;
}

std::string read_fixed_string(hid_t attribute, hid_t type, const Place& place) {
  const std::size_t size = H5Tget_size(type);
  KRAIT_CHECK(BadData, size <= kMaxText, place, ": an attribute of ", size,
              " bytes is too long; check that it is the right file.");
  std::string value(size, '\0');
  checked(H5Aread(attribute, type, value.data()), place, "read the attribute");
  if (H5Tget_strpad(type) == H5T_STR_NULLTERM) return value.substr(0, value.find('\0'));
  const char padding = H5Tget_strpad(type) == H5T_STR_SPACEPAD ? ' ' : '\0';
  value.erase(value.find_last_not_of(padding) + 1);
  return value;
}

template <class T>
T read_attribute(hid_t attribute, const Place& place) {
  const Handle type = owned(H5Aget_type(attribute), place, "read the attribute's type");
  const H5T_class_t kind = H5Tget_class(type.get());
  if constexpr (std::is_same_v<T, std::string>) {
    KRAIT_CHECK(BadData, kind == H5T_STRING, place, ": must be a string.");
    return H5Tis_variable_str(type.get()) > 0 ? read_variable_string(attribute, type.get(), place)
                                              : read_fixed_string(attribute, type.get(), place);
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto value = read_attribute<std::int64_t>(attribute, place);
    KRAIT_CHECK(BadData, value == 0 || value == 1, place, ": must be true or false, got ", value,
                ".");
    return value == 1;
  } else {
    const bool number = is_integer(type.get()) || (std::is_same_v<T, double> && kind == H5T_FLOAT);
    KRAIT_CHECK(BadData, number, place, ": must be ",
                std::is_same_v<T, double> ? "a number." : "an integer.");
    if (std::is_same_v<T, std::int64_t> && is_unsigned_64(type.get())) {
      std::uint64_t wide = 0;
      checked(H5Aread(attribute, H5T_NATIVE_UINT64, &wide), place, "read the attribute");
      KRAIT_CHECK(BadData, std::in_range<std::int64_t>(wide), place, ": ", wide, " is too large.");
      return static_cast<T>(wide);
    }
    T value{};
    checked(H5Aread(attribute, hdf5::memory_type<T>(), &value), place, "read the attribute");
    return value;
  }
}

void write_attribute_as(const Handle& object, const Place& place, const char* name, hid_t type,
                        const void* value) {
  const Handle space(H5Screate(H5S_SCALAR));
  const Handle attribute =
      owned(H5Acreate2(object.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), place,
            "create an attribute");
  checked(H5Awrite(attribute.get(), type, value), place, "write an attribute");
}

}  // namespace

bool Hdf5File::has_attribute(std::string_view object, const std::string& name) const {
  const Session session;
  return checked(H5Aexists(impl_->get(object).get(), name.c_str()), impl_->at(object),
                 "look up an attribute") > 0;
}

std::vector<std::string> Hdf5File::attributes(std::string_view object) const {
  const Session session;
  std::vector<std::string> names;
  checked(H5Aiterate2(impl_->get(object).get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, take_attribute,
                      &names),
          impl_->at(object), "list its attributes");
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
T Hdf5File::attribute(std::string_view object, const std::string& name) const {
  const Session session;
  const Handle owner = impl_->get(object);
  const std::string shown = str(object, "@", name);
  const Place place = impl_->at(shown);
  KRAIT_CHECK(BadData, checked(H5Aexists(owner.get(), name.c_str()), place, "look it up") > 0,
              place, ": there is no such attribute; check that it is the right file.");
  const Handle attribute =
      owned(H5Aopen(owner.get(), name.c_str(), H5P_DEFAULT), place, "open the attribute");
  const Handle space = owned(H5Aget_space(attribute.get()), place, "read the attribute's shape");
  KRAIT_CHECK(BadData, H5Sget_simple_extent_npoints(space.get()) == 1, place,
              ": must hold one value; check that it is the right file.");
  return read_attribute<T>(attribute.get(), place);
}

template std::int64_t Hdf5File::attribute(std::string_view, const std::string&) const;
template double Hdf5File::attribute(std::string_view, const std::string&) const;
template bool Hdf5File::attribute(std::string_view, const std::string&) const;
template std::string Hdf5File::attribute(std::string_view, const std::string&) const;

void Hdf5File::write_integer(std::string_view object, const std::string& name, std::int64_t value) {
  const Session session;
  write_attribute_as(impl_->get(object), impl_->at(object), name.c_str(), H5T_STD_I64LE, &value);
}

void Hdf5File::write_real(std::string_view object, const std::string& name, double value) {
  const Session session;
  write_attribute_as(impl_->get(object), impl_->at(object), name.c_str(), H5T_IEEE_F64LE, &value);
}

void Hdf5File::write_boolean(std::string_view object, const std::string& name, bool value) {
  const Session session;
  // NumPy's form of a boolean, so that h5py gives one back.
  const Handle type(H5Tenum_create(H5T_STD_I8LE));
  const std::int8_t no = 0, yes = 1, chosen = value ? yes : no;
  H5Tenum_insert(type.get(), "FALSE", &no);
  H5Tenum_insert(type.get(), "TRUE", &yes);
  write_attribute_as(impl_->get(object), impl_->at(object), name.c_str(), type.get(), &chosen);
}

void Hdf5File::write_text(std::string_view object, const std::string& name,
                          std::string_view value) {
  const Session session;
  const Handle type(H5Tcopy(H5T_C_S1));  // fixed length: inside checksummed metadata
  const std::string text(value);
  H5Tset_size(type.get(), text.size() + 1);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  write_attribute_as(impl_->get(object), impl_->at(object), name.c_str(), type.get(), text.c_str());
}

}  // namespace krait
