// An agent to be killed: takes control of a forwarder, says so, and waits.
import { tunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'

const { address, underlayNetns, stateDir } = JSON.parse(process.argv[2] ?? '{}') as Record<'address' | 'underlayNetns' | 'stateDir', string>
await tunDataplane({ addresses: [IpAddress.parse(address)], underlayNetns, stateDir })
process.stdout.write('ready\n')
