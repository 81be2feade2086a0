/**
 * Files of plans and devices brought to where a database of this kind has them: into its rows, or into
 * folders. For an installation that was restored, before anybody uses it.
 */
import { join } from 'node:path'
import { isOnPostgres } from '../../database/connection.ts'
import type { Services } from '../../services.ts'
import { ContentStore } from '../content.ts'
import { UploadFiles } from '../uploads.ts'
import { SharedContents } from './contents.ts'
import * as store from './store.ts'
import { SharedUploads } from './uploads.ts'

const AT_ONCE = 256

/** `folder` is as a data directory: what a back-up brought is there, and what is to be will be. */
export async function settleFiles(
  services: Pick<Services, 'database' | 'clock'>,
  folder: string,
): Promise<void> {
  const { database } = services
  const cache = new ContentStore(join(folder, 'cache'))
  const before = new ContentStore(join(folder, 'contents'))
  const contents = new SharedContents(services, { cache, before })
  const uploads = new SharedUploads(database, new UploadFiles(join(folder, 'uploads')))
  const isShared = isOnPostgres(database.db)
  await (isShared ? contents.adopt() : contents.release())

  let after = 0
  for (;;) {
    const some = await store.listKeptUploads.all(database.db, { after, limit: AT_ONCE })
    for (const { id, device_id: deviceId, run_id: runId, name } of some) {
      const upload = { deviceId, runId, name }
      if (isShared) await database.commit((tx) => uploads.adopt(upload, tx))
      else await uploads.release(upload)
      after = id
    }
    if (some.length < AT_ONCE) break
  }
  // Of runs that were under way, and are not any more.
  if (!isShared) await store.removeAllUploadPieces.run(database.db, {})
}
