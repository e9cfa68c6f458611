metadata description = 'One worker: a Container App that hosts roles of the services image, scaled by the length of its queue.'

import { identityType } from '../types.bicep'

@description('Required. Region.')
param location string
@description('Required. Name of the app.')
param name string
@description('Required. Tags.')
param tags object
@description('Required. Container Apps environment.')
param appsEnvironmentId string
@description('Required. Roles the process hosts; see `landfall worker --help`.')
param roles string
@description('Required. Queue whose length decides how many replicas run; empty for a fixed number.')
param queue string
@description('Required. Least replicas.')
param replicasMin int
@description('Required. Most replicas.')
param replicasMax int
@description('Required. Identity of the process.')
param identity identityType
@description('Required. Identity that reads queue lengths; the process cannot use it.')
param scaler identityType
@description('Required. Service Bus namespace.')
param serviceBusName string
@description('Required. Host of the container registry.')
param loginServer string
@description('Required. The services image, by digest.')
param image string
@description('Required. Environment variables all processes share.')
param settings array

resource worker 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {}, '${scaler.id}': {} }
  }
  properties: {
    environmentId: appsEnvironmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [{ server: loginServer, identity: identity.id }]
      identitySettings: [{ identity: identity.id, lifecycle: 'Main' }, { identity: scaler.id, lifecycle: 'None' }]
    }
    template: {
      // Time to finish what has begun: a lock lasts a minute and is renewed while work goes on.
      terminationGracePeriodSeconds: 120
      containers: [
        {
          name: 'worker'
          image: image
          args: ['worker', '--roles', roles]
          env: concat(settings, [{ name: 'LANDFALL_IDENTITY_CLIENT_ID', value: identity.clientId }])
          resources: { cpu: json('0.5'), memory: '1Gi' }
          volumeMounts: [{ volumeName: 'temporary', mountPath: '/tmp' }]
        }
      ]
      volumes: [{ name: 'temporary', storageType: 'EmptyDir' }]
      scale: {
        minReplicas: replicasMin
        maxReplicas: replicasMax
        rules: empty(queue)
          ? []
          : [
              {
                name: 'queue-length'
                custom: {
                  type: 'azure-servicebus'
                  identity: scaler.id
                  metadata: {
                    namespace: serviceBusName
                    queueName: queue
                    messageCount: '20'
                    activationMessageCount: '0'
                  }
                }
              }
            ]
      }
    }
  }
}
