/** A disk of a few megabytes that can be filled: a tmpfs of its own, which takes root to mount. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnPostgres, makeDatabaseOn } from './database.ts'

/** Left out for others, but not in CI, where it must fail. */
export const MAY_MOUNT = process.getuid?.() === 0 || process.env.CI !== undefined
if (!MAY_MOUNT) console.warn('only root can mount: full disks are NOT TESTED here')

export class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'firstlight-disk-'))

  constructor(bytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=711`, 'tmpfs', this.folder])
  }

  /** The database of services in its folder; SQLite's is there anyway. */
  async takeDatabase(): Promise<void> {
    if (!isOnPostgres) return
    const location = join(this.folder, 'postgres')
    mkdirSync(location, { mode: 0o700 })
    execFileSync('chown', ['postgres', location])
    await makeDatabaseOn(this.folder, location)
  }

  /** Not a byte is left. */
  fill(): void {
    const fd = openSync(this.#filler, 'a')
    try {
      for (let size = 1 << 20; size > 0; size >>= 1) this.#fillIn(fd, Buffer.alloc(size))
    } finally {
      closeSync(fd)
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true })
  }

  remove(): void {
    execFileSync('umount', [this.folder])
    rmSync(this.folder, { recursive: true })
  }

  #fillIn(fd: number, piece: Buffer): void {
    for (;;) {
      try {
        writeSync(fd, piece)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return
        throw error
      }
    }
  }

  get #filler(): string {
    return join(this.folder, 'filler')
  }
}
