/** Appends to an audit log until it is killed: with `hold`, in a transaction that never ends. */
import { AuditWorld, anEntry } from './audit-world.ts'

const [path = '', mode = ''] = process.argv.slice(2)
const world = await AuditWorld.open(path)
const tell = (seq: number) => process.stdout.write(`${JSON.stringify({ seq })}\n`)

if (mode === 'hold') {
  const { seq } = await world.append(anEntry())
  await world.database.commit(async (tx) => {
    await world.audit.append(tx, anEntry())
    tell(seq + 1)
    // Something has to keep the process alive.
    await new Promise((resolve) => setTimeout(resolve, 600_000))
  })
}
for (;;) {
  const batch = Array.from({ length: 5 }, () => world.append(anEntry(), anEntry()))
  for (const { seq } of await Promise.all(batch)) tell(seq)
}
