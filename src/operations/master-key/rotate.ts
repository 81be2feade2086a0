/**
 * Another master key: everything is sealed anew under it in one transaction. The next key is on the
 * disk before that begins, and takes the place of the old one after: whoever dies in between leaves
 * a database that one of both files opens, and the next start puts that one in its place.
 */
import { renameSync, rmSync } from 'node:fs'
import { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import { type Config, databasePlace } from '../../config.ts'
import type { Executor } from '../../database/connection.ts'
import { DatabaseInUse } from '../../database/in-use.ts'
import { type Database, openDatabase } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import {
  checkMasterKey,
  loadMasterKey,
  makeMasterKey,
  nextKeyFile,
  sealCheck,
} from '../../secrets/master-key.ts'
import { Sealer } from '../../secrets/seal.ts'
import { storeMasterKeyCheck } from '../../secrets/store.ts'
import { OperationRefused } from '../refused.ts'
import { SEALED } from './sealed.ts'
import { listSealed, replaceSealed } from './store.ts'

export interface RotateServices {
  readonly config: Pick<Config, 'databaseFile' | 'databaseUrl' | 'masterKeyFile'>
  readonly clock: Clock
}

/** Gives how many things were sealed anew. The service must not be running: it knows the old key. */
export async function rotateMasterKey({ config, clock }: RotateServices): Promise<number> {
  const { masterKeyFile: file } = config
  const asRead = new Sealer(loadMasterKey(file, true))
  const database = await openStopped(databasePlace(config))
  try {
    const old = await checkMasterKey(database, asRead, file)
    const next = nextKeyFile(file)
    // Of a rotation that died before anything was sealed under it.
    rmSync(next, { force: true })
    const sealer = new Sealer(makeMasterKey(next))
    const audit = new AuditLog({ clock })
    const count = await database.commit(
      async (tx) => {
        const sealed = await resealAll(tx, old, sealer)
        await storeMasterKeyCheck(tx, sealCheck(sealer))
        const type = 'master-key-rotated'
        const entry = { type, by: 'system', subject: {}, detail: { sealed } } as const
        await audit.append(tx, { party: HOME_PARTY, ...entry })
        return sealed
      },
      { durable: true },
    )
    renameSync(next, file)
    // What was sealed under the old key must not linger there.
    await database.emptyLog()
    return count
  } finally {
    await database.close()
  }
}

async function resealAll(tx: Executor, old: Sealer, sealer: Sealer): Promise<number> {
  let count = 0
  for (const column of SEALED) {
    for (const row of await listSealed(tx, column)) {
      const context = column.context(row as unknown as Record<string, string>)
      const opened = old.open(context, row.sealed)
      if (!opened) {
        const name = column.key.map((one) => String(row[one])).join(' ')
        throw new OperationRefused(
          'not-sealed',
          `the master key does not open ${column.table} ${name}`,
          {
            next: 'nothing was changed: restore that row from a back-up, or delete it',
          },
        )
      }
      await replaceSealed(tx, column, row, sealer.seal(context, opened))
      opened.fill(0)
      count++
    }
  }
  return count
}

async function openStopped(place: string): Promise<Database> {
  try {
    return await openDatabase(place, { alone: true })
  } catch (cause) {
    if (!(cause instanceof DatabaseInUse)) throw cause
    throw new OperationRefused(
      'in-use',
      'the service is running somewhere, and knows the old key',
      {
        next: 'stop it on every machine, rotate the key, and start it again',
        cause,
      },
    )
  }
}
