#include "core/system/file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <sys/stat.h>

#include "data/hdf5/handle.h"

namespace krait {
namespace fs = std::filesystem;

namespace hdf5 {
namespace {

std::recursive_mutex& library_mutex() {
  static auto* mutex = new std::recursive_mutex;  // never destroyed: files may close at exit
  return *mutex;
}

void set_up_library() {
  // After a failed write the library's exit handler would try to flush again; every file is closed
  // by its owner, so nothing is left for it to do.
  H5dont_atexit();
  H5open();
  H5PLset_loading_state(0);
}

struct LibraryError {
  std::string message;   // of the innermost function that had something to say
  int error_number = 0;  // of the system call that failed, if one did
};

herr_t take_error(unsigned, const H5E_error2_t* entry, void* data) {
  auto& error = *static_cast<LibraryError*>(data);
  if (entry->desc == nullptr || *entry->desc == '\0') return 0;
  if (error.message.empty()) error.message = entry->desc;
  if (const char* number = std::strstr(entry->desc, "errno = "); error.error_number == 0) {
    if (number != nullptr) error.error_number = std::atoi(number + std::strlen("errno = "));
  }
  return 0;
}

Handle access_properties(std::uint64_t alignment) {
  Handle properties(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(properties.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Pset_fclose_degree(properties.get(), H5F_CLOSE_STRONG);
  // Locks fail on Lustre and some NFS; new files have a name of their own until they are renamed.
  H5Pset_file_locking(properties.get(), 0, 1);
  if (alignment > 1) H5Pset_alignment(properties.get(), 1, alignment);
  return properties;
}

}  // namespace

Session::Session() : lock_(library_mutex()) {
  static const bool ready = (set_up_library(), true);
  static_cast<void>(ready);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // each thread has an error stack of its own
}

std::ostream& operator<<(std::ostream& out, const Place& place) {
  out << "'" << place.file.string() << "'";
  return place.object.empty() ? out : out << ", '" << place.object << "'";
}

void throw_library_error(const Place& place, std::string_view action) {
  LibraryError error;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_error, &error);
  H5Eclear2(H5E_DEFAULT);
  if (error.error_number != 0) throw_io_error(action, place.file, error.error_number);
  KRAIT_CHECK(BadData, false, place, ": cannot ", action, " (", error.message,
              "); the file is damaged or does not have the expected form: make or copy it again.");
  std::abort();  // the check has thrown
}

std::vector<std::string> components(std::string_view object) {
  std::vector<std::string> names;
  while (!object.empty()) {
    const std::size_t end = object.find('/');
    const std::string_view name = object.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    object.remove_prefix(end == std::string_view::npos ? object.size() : end + 1);
  }
  return names;
}

template <>
hid_t memory_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t memory_type<std::uint16_t>() {
  return H5T_NATIVE_UINT16;
}
template <>
hid_t memory_type<std::uint32_t>() {
  return H5T_NATIVE_UINT32;
}
template <>
hid_t memory_type<std::uint64_t>() {
  return H5T_NATIVE_UINT64;
}
template <>
hid_t memory_type<std::int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
hid_t memory_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t memory_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t memory_type<double>() {
  return H5T_NATIVE_DOUBLE;
}

bool is_integer(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  return kind == H5T_INTEGER || kind == H5T_ENUM;
}

bool is_unsigned_64(hid_t type) {
  return H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) == 8 &&
         H5Tget_sign(type) == H5T_SGN_NONE;
}

}  // namespace hdf5

using hdf5::Handle;
using hdf5::Session;

Hdf5File::Impl::~Impl() {
  const Session session;
  file = Handle();
}

Handle Hdf5File::Impl::find(std::string_view object) const {
  Handle here(H5Oopen(file.get(), "/", H5P_DEFAULT));
  if (!here) hdf5::throw_library_error(at("/"), "open the root group");
  for (const std::string& name : hdf5::components(object)) {
    if (H5Iget_type(here.get()) != H5I_GROUP) return {};
    if (hdf5::checked(H5Lexists(here.get(), name.c_str(), H5P_DEFAULT), at(object), "look it up") ==
        0) {
      return {};
    }
    H5L_info_t link{};
    hdf5::checked(H5Lget_info(here.get(), name.c_str(), &link, H5P_DEFAULT), at(object),
                  "read its link");
    KRAIT_CHECK(BadData, link.type == H5L_TYPE_HARD, at(object),
                ": soft and external links are refused; store the object itself.");
    Handle next =
        hdf5::owned(H5Oopen(here.get(), name.c_str(), H5P_DEFAULT), at(object), "open it");
    here = std::move(next);
  }
  return here;
}

Handle Hdf5File::Impl::get(std::string_view object) const {
  Handle handle = find(object);
  KRAIT_CHECK(BadData, handle, at(object),
              ": there is no such object in the file; check that it is the right file.");
  return handle;
}

Hdf5File::Hdf5File(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&&) noexcept = default;

Hdf5File Hdf5File::open(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw_io_error("open", path, errno);
  KRAIT_CHECK(BadData, S_ISREG(info.st_mode), "'", path.string(),
              "' is not a regular file; name an HDF5 file.");
  const Session session;
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  const Handle properties = hdf5::access_properties(1);
  impl->file = hdf5::owned(H5Fopen(path.c_str(), H5F_ACC_RDONLY, properties.get()), impl->at(""),
                           "open it as an HDF5 file");
  return Hdf5File(std::move(impl));
}

Hdf5File Hdf5File::create(const fs::path& path, std::uint64_t alignment) {
  return create_at(path, path, alignment);
}

Hdf5File Hdf5File::create(const TemporaryFile& file, std::uint64_t alignment) {
  return create_at(file.path(), file.target(), alignment);
}

Hdf5File Hdf5File::create_at(const fs::path& path, const fs::path& shown, std::uint64_t alignment) {
  const Session session;
  auto impl = std::make_unique<Impl>();
  impl->path = shown;
  impl->writable = true;
  const Handle properties = hdf5::access_properties(alignment);
  const Handle creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(creation.get(), false);  // equal contents are equal files
  impl->file = hdf5::owned(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), properties.get()),
                           impl->at(""), "create");
  return Hdf5File(std::move(impl));
}

const fs::path& Hdf5File::path() const {
  return impl_->path;
}

int Hdf5File::descriptor() const {
  const Session session;
  void* handle = nullptr;
  hdf5::checked(H5Fget_vfd_handle(impl_->file.get(), H5P_DEFAULT, &handle), impl_->at(""),
                "find its descriptor");
  return *static_cast<int*>(handle);
}

void Hdf5File::close() {
  const Session session;
  hdf5::checked(H5Fflush(impl_->file.get(), H5F_SCOPE_LOCAL), impl_->at(""), "write");
  hdf5::checked(H5Fclose(impl_->file.release()), impl_->at(""), "close");
}

}  // namespace krait
