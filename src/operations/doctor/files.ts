/** The data directory: who may read what is in it, and how much room is left. */
import { existsSync, opendirSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Config } from '../../config.ts'
import { codeOf } from '../../database/portable.ts'
import { type Finding, findings } from './finding.ts'

const LITTLE_BYTES = 1 << 30
const NONE_BYTES = 100 << 20

/** To whoever looks: what is behind it is not seen, and nothing can be said of it. */
export function isClosed(folder: string): boolean {
  try {
    opendirSync(folder).closeSync()
    return false
  } catch (error) {
    return codeOf(error) === 'EACCES'
  }
}

export function checkPermissions({
  dataDir,
  databaseFile,
  masterKeyFile,
  adminTokenFile,
  tlsFiles,
  pkcs11,
}: Config): Finding[] {
  const { ok, problem, warning } = findings('permissions')
  if (isClosed(dataDir)) {
    const next = 'look as root, or as whoever the service runs as'
    return [problem(`this user may not look into ${dataDir}`, next)]
  }
  if (!existsSync(dataDir)) {
    return [warning(`there is no ${dataDir} yet`, 'the first start of the service makes it')]
  }
  const found: Finding[] = []
  const { mode, uid } = statSync(dataDir)
  if (mode & 0o077) found.push(problem(`others may look into ${dataDir}`, `chmod 700 ${dataDir}`))
  const own = [databaseFile, `${databaseFile}-wal`, masterKeyFile, adminTokenFile]
  const others = [tlsFiles?.key, pkcs11?.pinFile].filter((one) => one !== undefined)
  for (const file of [...own, ...others].filter(existsSync)) {
    const about = statSync(file)
    const isMounted = about.uid !== uid && !file.startsWith(dataDir)
    // A group may be given what is mounted, and the key that it renews.
    const forbidden = file === tlsFiles?.key ? 0o007 : isMounted ? 0o037 : 0o077
    if (about.mode & forbidden) found.push(problem(`others may read ${file}`, `chmod 600 ${file}`))
    if (file.startsWith(dataDir) && about.uid !== uid) {
      const next = `chown it to whoever the service runs as (user ${uid})`
      found.push(problem(`${file} belongs to another user than ${dataDir}`, next))
    }
  }
  return found.length > 0 ? found : [ok('secrets can be read by their owner only')]
}

export async function checkDisk({ dataDir }: Config): Promise<Finding[]> {
  const { ok, problem, warning, skipped } = findings('disk')
  if (isClosed(dataDir)) return [skipped('the data directory is not seen')]
  if (!existsSync(dataDir)) return [skipped('there is no data directory yet')]
  const { bavail, bsize, ffree, files } = await statfs(dataDir)
  const free = bavail * bsize
  const left = `${(free / (1 << 30)).toFixed(1)} GiB are left for ${dataDir}`
  const next = 'make room: a full disk stops onboarding'
  if (free < NONE_BYTES) return [problem(left, next)]
  if (free < LITTLE_BYTES) return [warning(left, next)]
  if (files > 0 && ffree < 1_000) return [problem(`${ffree} inodes are left for ${dataDir}`, next)]
  return [ok(left)]
}
