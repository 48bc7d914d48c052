// Package faultfs is a disk that fails, for tests: a vfs.FS around another one that loses what was not synced, tears writes, refuses,
// stalls and lies, driven by a seed and a few words.
//
// It owns what has not reached the platter, which is the file system underneath: bytes written and not synced, and names created, renamed,
// linked and removed in a directory that was not synced. Readers of this process see all of it. When the process is killed it is gone, as a
// power cut would have it, though the system's own cache is still there. Cut is a power cut in the middle of writing: some of it, by
// sectors, reaches the platter, then the process ends.
//
// Types: FS wraps; Spec says which faults there are, see ParseSpec for the words; FlipBit damages a file at rest.
//
// What it refuses to model: directories themselves are made, renamed and removed at once. A rename between two directories is done when either
// of them is synced. Hard links count twice towards a disk's limit, and those that an earlier process made are taken for files of their own. Nothing
// reaches the platter by itself, as it would after half a minute on a real one: only syncs and Cut bring something there.
//
// What is stricter than most disks: a new file is not there after a crash until its directory was synced, however often the file was; and what
// a failed sync had in hand is lost, though it can still be read and a later sync of the file succeeds.
package faultfs
