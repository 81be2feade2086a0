/** All modules of an owner. To add one: its folder, a line here, and a step in steps.ts. */
import { type OwnerModules, ownerModules } from '../service-info/registry.ts'
import { commandOwner } from './command/owner.ts'
import { csrOwner } from './csr/owner.ts'
import { downloadOwner } from './download/owner.ts'
import { fdoSysOwner } from './fdo-sys/owner.ts'
import { uploadOwner } from './upload/owner.ts'
import { wgetOwner } from './wget/owner.ts'

export const OWNER_MODULES: OwnerModules = ownerModules(
  csrOwner,
  downloadOwner,
  uploadOwner,
  commandOwner,
  wgetOwner,
  fdoSysOwner,
)
