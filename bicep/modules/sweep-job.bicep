metadata description = 'One sweep: a Container Apps job on a schedule, whose roles take one turn and end.'

import { identityType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Name of the job.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Container Apps environment.')
param appsEnvironmentId string
@description('Required. Roles that take a turn; see `landfall worker --help`.')
param roles string
@description('Required. Identity of the process.')
param identity identityType
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. The services image, by digest.')
param image string
@description('Required. Environment variables all processes share.')
param settings array

resource sweep 'Microsoft.App/jobs@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: appsEnvironmentId
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Schedule'
      // Every minute, the finest a schedule can be. Turns that overlap do no harm: what they write is fenced.
      scheduleTriggerConfig: { cronExpression: '* * * * *', parallelism: 1, replicaCompletionCount: 1 }
      replicaTimeout: 300
      // The next minute is the retry.
      replicaRetryLimit: 0
      registries: [{ server: loginServer, identity: identity.id }]
      identitySettings: [{ identity: identity.id, lifecycle: 'Main' }]
    }
    template: {
      containers: [
        {
          name: 'sweep'
          image: image
          args: ['worker', '--once', '--roles', roles]
          env: concat(settings, [{ name: 'LANDFALL_IDENTITY_CLIENT_ID', value: identity.clientId }])
          resources: { cpu: json('0.5'), memory: '1Gi' }
          volumeMounts: [{ volumeName: 'temporary', mountPath: '/tmp' }]
        }
      ]
      volumes: [{ name: 'temporary', storageType: 'EmptyDir' }]
    }
  }
}
