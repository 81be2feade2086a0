/** Where the files of plans and of devices are: on the disk that one machine has, or in the database. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { isOnPostgres } from '../database/connection.ts'
import type { Services } from '../services.ts'
import { ContentStore, type Contents } from './content.ts'
import { SharedContents } from './shared/contents.ts'
import { SharedUploads } from './shared/uploads.ts'
import { UploadFiles, type Uploads } from './uploads.ts'

type Given = Pick<Services, 'database' | 'clock'> & { readonly config: Pick<Config, 'dataDir'> }

export interface Files {
  readonly contents: Contents
  readonly uploads: Uploads
  /** Takes in what a version has left that had it elsewhere, and may still run beside us. */
  adopt(): Promise<void>
}

export function filesOf({ database, clock, config }: Given): Files {
  const inFolders = {
    contents: new ContentStore(join(config.dataDir, 'contents')),
    uploads: new UploadFiles(join(config.dataDir, 'uploads')),
  }
  if (!isOnPostgres(database.db)) return { ...inFolders, async adopt() {} }
  const cache = new ContentStore(join(config.dataDir, 'cache', 'contents'))
  const contents = new SharedContents({ database, clock }, { cache, before: inFolders.contents })
  return {
    contents,
    uploads: new SharedUploads(database, inFolders.uploads),
    adopt: () => contents.adopt(),
  }
}
