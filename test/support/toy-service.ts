/**
 * A program: the toy role over HTTP on a database in a file. It kills itself where it is told to, as
 * if the power had gone: before the commit of a step's writes, or between the commit and the answer.
 */
import { randomBytes } from 'node:crypto'
import { realClock } from '../../src/clock.ts'
import { openDatabase } from './database.ts'
import { Exchange } from '../../src/fdo/exchange.ts'
import { FdoHttp } from '../../src/fdo/http.ts'
import { fdoRoutes } from '../../src/fdo/routes.ts'
import { SealingKeys } from '../../src/fdo/sealing-keys.ts'
import { silentLog } from '../../src/log.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { listening } from './listening.ts'
import { countEffect, mountToy } from './toy-role.ts'
import { Load } from '../../src/load.ts'

const [path = '', dieBefore, dieAfter] = process.argv.slice(2)

const die = () => process.kill(process.pid, 'SIGKILL')
const role = mountToy(
  { randomBytes },
  {
    async write(effect, tx) {
      await countEffect(effect, tx)
      if (effect.type === dieBefore) die()
    },
    committed(effect) {
      if (effect.type === dieAfter) die()
    },
  },
)
const database = await openDatabase(path)
const sealer = new Sealer(new Uint8Array(32).fill(7))
const keys = await SealingKeys.load({ database, clock: realClock, randomBytes, sealer })
const services = { database, keys, clock: realClock, randomBytes, log: silentLog }
const exchange = new Exchange({ ...services, roles: [role] })
const { url } = await listening(
  fdoRoutes(new FdoHttp({ exchange, load: new Load(), trustedProxies: { addresses: [] } })),
)
console.log(JSON.stringify({ url }))
