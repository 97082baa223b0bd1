/*
 * volume.c
 *	  A full or a stuck volume, for a program that preloads this library.
 *
 * The file that the environment variable VOLUME_CONTROL names says what is
 * wrong, for as long as it exists.  It holds one line of a word and a part of
 * paths, such as "full /base/":
 *
 *	full	files whose path contains the part cannot grow, what would make
 *			them larger fails with ENOSPC; as on a real volume, what is
 *			allocated can be overwritten, and empty files can be created
 *	stuck	writes to such files do not come to an end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

typedef enum State
{
	SOUND,
	FULL,
	STUCK,
} State;

/* The state of the volume that holds a descriptor's file. */
static State
volume_state(int fd)
{
	const char *control = getenv("VOLUME_CONTROL");
	char		line[4096];
	char		word[8];
	char		part[4096];
	char		link[64];
	char		path[4096];
	ssize_t		len;
	int			control_fd;

	if (control == NULL)
		return SOUND;
	control_fd = open(control, O_RDONLY | O_CLOEXEC);
	if (control_fd < 0)
		return SOUND;
	len = read(control_fd, line, sizeof(line) - 1);
	close(control_fd);
	line[len > 0 ? len : 0] = '\0';
	if (sscanf(line, "%7s %4095[^\n]", word, part) != 2)
		return SOUND;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	if (strstr(path, part) == NULL)
		return SOUND;
	return strcmp(word, "full") == 0 ? FULL : STUCK;
}

/*
 * Is there no room for a write that ends at some offset of the file?  Waits
 * while the volume is stuck.
 */
static int
no_room(int fd, off_t end)
{
	int			save_errno = errno;
	struct stat st;
	State		state = SOUND;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while ((state = volume_state(fd)) == STUCK)
			usleep(10000);
	if (state == FULL && end > st.st_size)
	{
		errno = ENOSPC;
		return 1;
	}
	errno = save_errno;
	return 0;
}

static off_t
total(const struct iovec *iov, int count)
{
	off_t		sum = 0;

	for (int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

ssize_t
write(int fd, const void *buf, size_t count)
{
	off_t		at = lseek(fd, 0, SEEK_CUR);

	if (at >= 0 && no_room(fd, at + count))
		return -1;
	return REAL(write) (fd, buf, count);
}

ssize_t
pwrite(int fd, const void *buf, size_t count, off_t at)
{
	return no_room(fd, at + count) ? -1 : REAL(pwrite) (fd, buf, count, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t count, off64_t at)
{
	return no_room(fd, at + count) ? -1 : REAL(pwrite64) (fd, buf, count, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	return no_room(fd, at + total(iov, count)) ? -1 : REAL(pwritev) (fd, iov, count, at);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int count, off64_t at)
{
	return no_room(fd, at + total(iov, count)) ? -1 : REAL(pwritev64) (fd, iov, count, at);
}

int
posix_fallocate(int fd, off_t at, off_t len)
{
	return no_room(fd, at + len) ? ENOSPC : REAL(posix_fallocate) (fd, at, len);
}

int
posix_fallocate64(int fd, off64_t at, off64_t len)
{
	return no_room(fd, at + len) ? ENOSPC : REAL(posix_fallocate64) (fd, at, len);
}
