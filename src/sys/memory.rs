//! Where the programs' memory comes from, built with musl: whose own allocator asks the kernel for
//! every other piece of it.

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
